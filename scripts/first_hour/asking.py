"""Asking an embedding, from the shell and from Python."""

from __future__ import annotations

from hour import Hour, task

SECTION = "asking"


@task(SECTION)
def neighbors_photo(hour: Hour) -> None:
    """The photographs of a folder that are most similar to one, as a table and as a page."""
    digits = hour.run_of("digits")
    found = hour.shell(f"embloom neighbors {digits} photo.jpg --among photos/ --top 5", r"photos/\S+.*\d\.\d{2}")
    for shown in found:
        hour.expect(shown.text.count(".png") >= 5, f"fewer than 5 neighbors ({shown.width} columns)")
    hour.shell(f"embloom neighbors {digits} photo.jpg --among photos/ --html near.html", each=False)
    page = hour.folder / "near.html"
    hour.expect(page.is_file() and page.read_text().count("<img") >= 5, "no page of thumbnails: near.html")


@task(SECTION)
def neighbors_word(hour: Hour) -> None:
    """The nearest words, analogies, what is between, what does not belong."""
    words = hour.run_of("words")
    hour.shell(f"embloom neighbors {words} king --top 5", r"queen\b.*0\.\d+")
    hour.shell(f"embloom analogy {words} king - man + woman", "queen")
    hour.shell(f"embloom midpoint {words} king queen", r"0\.\d+")
    hour.shell(f"embloom outlier {words} king queen prince kitten", "kitten")
    hour.shell(f"embloom neighbors {words} kingg", "king", status=2)


@task(SECTION)
def print_it(hour: Hour) -> None:
    """`print(embloom.load(RUN))` says layers, widths, inputs, rows, best probes and hash."""
    digits, words = hour.run_of("digits"), hour.run_of("words")
    code = f"print(embloom.load({digits!r}))"
    hour.python(
        code, r"hidden_0\D+512", r"embedding\D+10\b", "(?i)image", r"(knn|linear)_label\D+0\.\d+", "[0-9a-f]{8}"
    )
    hour.python(f"print(embloom.load({words!r}))", "108", "(?i)words|rows|text", "[0-9a-f]{8}")


@task(SECTION)
def words_as_in_gensim(hour: Hour) -> None:
    """Words behave as people expect from gensim."""
    words = hour.run_of("words")
    hour.python(
        f"words = embloom.load({words!r}).words\n"
        "print('vector', tuple(words['king'].shape), 'king' in words, 'zebra' in words, len(list(words)))\n"
        "print('similar', words.most_similar(positive=['king', 'woman'], negative=['man'], topn=1))\n"
        "print('one', words.most_similar('king', topn=2))\n"
        "print('odd', words.doesnt_match(['king', 'queen', 'prince', 'kitten']))\n"
        "print('cosine', round(float(words.similarity('king', 'queen')), 3))\n"
        "print('sets', round(float(words.n_similarity(['king', 'man'], ['queen', 'woman'])), 3))\n"
        "print('many', tuple(words[['king', 'queen']].shape))\n",
        r"vector \(100,\) True False 108", r"similar \[\('queen', 0\.\d+", r"one \[\('", "odd kitten", r"cosine 0\.\d+",
        r"sets 0\.\d+", r"many \(2, 100\)",
    )  # fmt: skip


@task(SECTION)
def encode_anything(hour: Hour) -> None:
    """`encode` takes folders, arrays, images, generators and data frames."""
    digits = hour.run_of("digits")
    hour.python(
        f"import numpy as np\nfrom pathlib import Path\nfrom PIL import Image\nd = embloom.load({digits!r})\n"
        "print('folder', tuple(d.encode('photos').shape))\n"
        "print('array', tuple(d.encode(np.zeros((2, 28, 28), np.uint8)).shape))\n"
        "print('image', tuple(d.encode(Image.open('one.png')).shape))\n"
        "print('generator', tuple(d.encode(p for p in sorted(Path('photos').rglob('*.png'))).shape))\n",
        r"folder \(36, 10\)", r"array \(2, 10\)", r"image \(1, 10\)", r"generator \(36, 10\)",
    )  # fmt: skip
    table = (
        "'dataset=table', 'dataset.path=flowers.csv', 'dataset.label=species', 'trainer.max_epochs=1', 'trainer=cpu'"
    )
    hour.python(
        f"import pandas\nrun = embloom.train({table}, folder='frames')\n"
        "print('frame', tuple(run.embedding.encode(pandas.read_csv('flowers.csv')).shape))\n",
        r"frame \(120, \d+\)",
    )


@task(SECTION)
def errors_in_python(hour: Hour) -> None:
    """An error in Python names arguments of Python, no flags; and has the names that are near."""
    digits, words = hour.run_of("digits"), hour.run_of("words")
    hour.python(
        f"e = embloom.load({digits!r})\n"
        "for call in (lambda: e.encode(['nowhere.png']), lambda: e.encode(['one.png'], layer='hiden_0'),\n"
        "             lambda: e.encode([[1.0]]), lambda: e.predict(['one.png'], head='none')):\n"
        "    try:\n        call()\n    except ValueError as error:\n        print('said', error)\n"
        f"try:\n    embloom.load({words!r}).words.neighbors('kingg')\n"
        "except ValueError as error:\n    print('said', error)\n",
        r"(?s)(said .*){5}", "hidden_0", "king",
        unseen=(r"\s--\w", "Traceback"),
    )  # fmt: skip


@task(SECTION)
def vectors_from_elsewhere(hour: Hour) -> None:
    """word2vec, GloVe and numpy files are compared, asked, mapped and exported as runs are."""
    words = hour.run_of("words")
    hour.shell(f"embloom compare {words} glove.txt other.npy --names words.txt", r"glove", r"other")
    hour.shell("embloom neighbors glove.txt king --top 3", r"0\.\d+")
    hour.shell("embloom map glove.txt --maps pca --out drawn", each=False)
    hour.shell("embloom export glove.txt --to npz --output glove.npz", each=False)
    hour.expect((hour.folder / "glove.npz").is_file(), "no glove.npz")


@task(SECTION)
def outlier_of_the_readme(hour: Hour) -> None:
    """The example that `--help` and the guide show works on the run that they name."""
    hour.shell(f"embloom outlier {hour.run_of('words')} king queen prince kitten", "kitten")


@task(SECTION)
def no_empty_score(hour: Hour) -> None:
    """A probe whose questions the vocabulary barely knows is not shown as a best score."""
    what = "experiment=skipgram dataset.path=my_text.txt dataset.min_count=1 trainer=cpu trainer.max_epochs=1"
    hour.shell(f"embloom train {what} dataset.cache=cache hydra.run.dir=own/text", each=False)
    hour.shell("embloom runs own", "finished", unseen=(r"analogies 0\.0000",))


@task(SECTION)
def recommend(hour: Hour) -> None:
    """What somebody would like, known or new."""
    films = hour.run_of("films")
    hour.shell(f"embloom recommend {films} user_017 --top 3", r"\(\d{4}\)\s+-?\d\.\d+")
    hour.shell(f"embloom recommend {films} --items 'Western 11 (1984)' --top 3", "Western")


@task(SECTION)
def vectors_of_photos(hour: Hour) -> None:
    """Vectors of a folder of photographs, from any layer, in a file."""
    digits = hour.run_of("digits")
    hour.shell(f"embloom encode {digits} photos --layer hidden_0 -o {{mode}}.npy", r"36 vectors.*{mode}\.npy")
    hour.shell(f"embloom encode {digits} photos --layer hidden_9 -o x.npy", "hidden_0", status=2)
