"""How many analogies a table of word vectors solves: a is to b as c is to d."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.artifact.word_vectors import METHODS, SHIFT
from embloom.assembly.parameters import choices, positive_integers
from embloom.data.grammar import questions
from embloom.encoders.base import Encoder
from embloom.probes.base import Frozen, Probe, check_table

CHUNK = 256
Question = tuple[str, str, str, str]


class Analogies(Probe):
    """The share of questions whose answer is nearest, among all words but the three of the question.

    Args:
        path: a file in the `questions-words` format: `a b c d` lines under `: section` headings. Null asks for
            what holds in the built-in corpus (royalty, gender, age).
        methods: `3cosadd` (Mikolov et al. 2013), `3cosmul` (Levy and Goldberg 2014), or both.
        restrict_vocab: only so many of the most frequent words are asked for and can be answers.
        layer: a table whose rows have names, the most frequent first.

    Raises:
        ValueError: the file is missing or holds something else, or a method is unknown.
    """

    of_tables = True

    def __init__(
        self,
        path: str | None = None,
        methods: str | Sequence[str] = "3cosadd",
        restrict_vocab: int = 300_000,
        layer: str = "embedding",
    ) -> None:
        self.methods = list(methods) if isinstance(methods, (list, tuple)) else [str(methods)]
        for method in self.methods:
            choices(METHODS, methods=method)
        positive_integers(restrict_vocab=restrict_vocab)
        self.sections = {"": questions()} if path is None else read_questions(Path(path).expanduser())
        self.restrict_vocab, self.layer = restrict_vocab, layer

    def check(self, encoder: Encoder) -> None:
        """See `Probe`."""
        check_table(self.layer, encoder)

    def __call__(self, frozen: Frozen) -> dict[str, float]:
        """`analogies` (for 3CosMul `analogies_3cosmul`) in 0..1, the same by section with `_<section>`, and
        `analogies_coverage`, the share of questions whose four words are known."""
        number, table = frozen.named_table(self.layer)
        number = {word: row for word, row in number.items() if row < self.restrict_vocab}
        rows = F.normalize(table[: self.restrict_vocab].float(), dim=1)
        known = {name: numbered(asked, number) for name, asked in self.sections.items()}
        found: dict[str, float] = {}
        everything = torch.cat(list(known.values()))
        for method in self.methods if len(everything) else ():
            tag = "analogies" if method == "3cosadd" else f"analogies_{method}"
            right = solved(rows, everything.to(rows.device), method).split([len(asked) for asked in known.values()])
            found[tag] = float(torch.cat(right).double().mean())
            sections = zip(known, right, strict=True)
            found |= {f"{tag}_{name}": float(r.double().mean()) for name, r in sections if name and len(r)}
        total = sum(map(len, self.sections.values()))
        return {**found, "analogies_coverage": len(everything) / total}


def numbered(asked: Sequence[Question], number: Mapping[str, int]) -> Tensor:
    """The questions all of whose words are known, as their rows (Q, 4)."""
    known = [[number[word] for word in question] for question in asked if all(word in number for word in question)]
    return torch.tensor(known, dtype=torch.int64).view(-1, 4)


def solved(rows: Tensor, asked: Tensor, method: str) -> Tensor:
    """Rows (V, D) of length 1, questions (Q, 4) -> (Q,) bool."""
    return torch.cat([answers(rows, part, method) == part[:, 3] for part in asked.split(CHUNK)])


def answers(rows: Tensor, asked: Tensor, method: str) -> Tensor:
    """The best row for each question, none of the three asked with."""
    a, b, c = (rows[asked[:, place]] for place in range(3))
    if method == "3cosadd":
        score = (b - a + c) @ rows.T
    else:
        one, two, three = ((x @ rows.T).add_(1).mul_(0.5) for x in (b, c, a))
        score = one.mul_(two).div_(three.add_(SHIFT))
    return score.scatter_(1, asked[:, :3], -torch.inf).argmax(1)


def read_questions(file: Path) -> dict[str, list[Question]]:
    """Section -> its questions, lower-cased.

    Raises:
        ValueError: the file cannot be read, a line is no question, or there is none.
    """
    sections: dict[str, list[Question]] = {}
    name = ""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, UnicodeError) as error:
        raise ValueError(f"path={file}: it cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        words = line.lower().split()
        if words and words[0].startswith(":"):
            name = "_".join(line.replace(":", " ").split())
        elif words and not line.startswith("#"):
            if len(words) != 4:
                raise ValueError(f"path={file}, line {number}: it is not 'a b c d' or ': section'")
            sections.setdefault(name, []).append((words[0], words[1], words[2], words[3]))
    if not sections:
        raise ValueError(f"path={file}: it holds no questions")
    return sections
