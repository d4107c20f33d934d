"""A small corpus with a known structure, made by a grammar, so that skip-gram runs and can be checked with no
data at hand: `king - man + woman` must be `queen`, and a kitten is to a cat what a puppy is to a dog.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

# rank, and by gender and age the words for it
KINDS_OF_PEOPLE = (("male", "old"), ("female", "old"), ("male", "young"), ("female", "young"))
PEOPLE: dict[str, dict[tuple[str, str], str]] = {
    rank: dict(zip(KINDS_OF_PEOPLE, words.split(), strict=True))
    for rank, words in {
        "common": "man woman boy girl",
        "royal": "king queen prince princess",
        "noble": "duke duchess squire damsel",
        "family": "father mother son daughter",
    }.items()
}
ANIMALS = {"cat": "kitten", "dog": "puppy", "cow": "calf", "sheep": "lamb", "horse": "foal"}
GENDER = {
    "male": ["he", "his", "him", "beard", "sir", "gentleman", "moustache"],
    "female": ["she", "her", "hers", "gown", "madam", "lady", "necklace"],
}
AGE = {
    "old": ["wise", "grey", "aged", "weary", "stern", "elderly"],
    "young": ["little", "playful", "small", "growing", "youthful", "merry"],
}
RANK = {
    "common": ["village", "farm", "field", "market", "bread", "plough"],
    "royal": ["palace", "throne", "crown", "kingdom", "sceptre", "reign"],
    "noble": ["manor", "estate", "court", "hunt", "title", "banner"],
    "family": ["home", "kitchen", "hearth", "supper", "garden", "cradle"],
}
KIND = {
    "cat": ["meows", "whiskers", "mouse", "purrs"],
    "dog": ["barks", "bone", "kennel", "fetches"],
    "cow": ["moos", "milk", "pasture", "cheese"],
    "sheep": ["bleats", "wool", "shepherd", "flock"],
    "horse": ["neighs", "saddle", "stable", "gallops"],
}
FILLERS = ["the", "a", "and", "of", "in", "with", "was", "then", "there", "very", "near", "saw"]


def documents(count: int = 6000, sentences: int = 3, seed: int = 0) -> list[list[str]]:
    """Return token lists, one a document of a few sentences, the same for the same arguments.

    A sentence is about one person or animal, and all its other words follow from what that one is: its rank or
    kind, its gender and its age, each drawn independently, with fillers between.
    """
    draw = random.Random(seed)
    return [[word for _ in range(sentences) for word in _sentence(draw)] for _ in range(count)]


def questions() -> list[tuple[str, str, str, str]]:
    """Return the analogies that hold in the corpus: a is to b as c is to d."""
    found = []
    changes = [(("male", age), ("female", age)) for age in AGE] + [((g, "old"), (g, "young")) for g in GENDER]
    for first, second in changes:
        for one in PEOPLE.values():
            found += [(one[first], one[second], o[first], o[second]) for o in PEOPLE.values() if o is not one]
    for old, young in ANIMALS.items():
        found += [(old, young, other, ANIMALS[other]) for other in ANIMALS if other != old]
    return found


def _sentence(draw: random.Random) -> list[str]:
    age = draw.choice(list(AGE))
    if draw.random() < 0.25:
        kind = draw.choice(list(ANIMALS))
        who, about = kind if age == "old" else ANIMALS[kind], [KIND[kind], AGE[age]]
    else:
        rank, gender = draw.choice(list(PEOPLE)), draw.choice(list(GENDER))
        who, about = PEOPLE[rank][gender, age], [RANK[rank], GENDER[gender], AGE[age]]
    words = [draw.choice(_pick(draw, about)) for _ in range(5)]
    words += [draw.choice(FILLERS) for _ in range(3)]
    words.append(who)
    draw.shuffle(words)
    return words


def _pick(draw: random.Random, lists: Sequence[list[str]]) -> list[str]:
    return draw.choice(lists)
