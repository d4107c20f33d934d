"""What the service answers, apart from HTTP: vectors, neighbors, analogies, the card."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.batched_search import BatchedSearch
from embloom.artifact.embedding import Embedding
from embloom.artifact.extractor import finite
from embloom.artifact.lineage import parents_of
from embloom.artifact.vectors import Vectors
from embloom.files.tensors import first_line
from embloom.serving.batches import Batches
from embloom.serving.inputs import KINDS, forgotten, taken
from embloom.serving.limits import Limits, Refused
from embloom.serving.schema import AnalogyAsked, EncodeAsked, NeighborsAsked

TOGETHER = 32  # queries in one matrix product
QUICK = 1 << 24  # numbers in a table that is searched in a few milliseconds
TOLD = ("format_version", "embloom_version", "names", "layers", "labels", "reader", "metrics", "trained", "versions")
ONE = {"text": "texts", "image": "images", "row": "rows"}  # what neighbors takes one of, and encode several


@dataclass
class Stock:
    """What is searched.

    Attributes:
        search: among its rows.
        names: what they are called.
        layer: which layer they are of.
    """

    search: BatchedSearch
    names: list[str]
    layer: str


@dataclass
class Query:
    """One search: the vector (D,), how many, and the rows that never count."""

    stock: Stock
    vector: Tensor
    count: int
    without: Collection[int] = ()


class Answers:
    """Answers questions to one embedding.

    Args:
        embedding: the artifact.
        limits: of a request.
        index: vectors of inputs, to find neighbors among.
        threads: that torch uses for one request, or for one batch of searches.
    """

    def __init__(self, embedding: Embedding, limits: Limits, index: Vectors | None = None, threads: int = 1) -> None:
        self.embedding, self.limits = embedding, limits
        self.stocks: dict[str, Stock] = {}
        self.words = embedding.words if embedding.main_table() is not None else None
        if self.words is not None:
            layer = str(embedding.main_table())
            self.stocks["words"] = Stock(BatchedSearch(self.words.vectors), self.words.names, layer)
        if index is not None:
            names = [index.called(row) for row in range(len(index))]
            self.stocks["index"] = Stock(BatchedSearch(index.rows), names, index.layer)
        largest = max((stock.search.rows.numel() for stock in self.stocks.values()), default=0)
        self.searching: Batches[Query, list[tuple[str, float]]] = Batches(
            searched, TOGETHER, limits.waiting, threads, quick=largest <= QUICK
        )
        # Apart from searches, which are quick; and each by itself, so that nobody's answer depends on others' inputs.
        self.encoding: Batches[Callable[[], Any], Any] = Batches(called, 1, limits.waiting, threads)

    @property
    def content_hash(self) -> str:
        """Of the embedding that answers."""
        return self.embedding.content_hash

    async def encode(self, asked: EncodeAsked) -> bytes:
        """See `schema.EncodeAnswer`."""
        kind = asked.chosen()
        if kind == "words":
            rows = self.rows_of(asked.words or ())
            layer, vectors = self.stocks["words"].layer, self.known_words().vectors[rows].float()
            if asked.layer not in ("embedding", layer):
                raise Refused(422, f"words have vectors of the layer {layer}")
        else:
            layers = [asked.layer] if isinstance(asked.layer, str) else asked.layer
            layer = (" | " if asked.combine == "average" else " + ").join(layers)
            given = getattr(asked, kind)
            vectors = await self.encoding(lambda: self.encoded(kind, given, layers, asked.combine))
        if vectors.numel() > self.limits.numbers:
            raise Refused(413, f"the answer would hold more than {self.limits.numbers:,} numbers: ask for less at once")
        about = {"content_hash": self.content_hash, "layer": layer, "count": len(vectors), "width": vectors.shape[1],
                 "zeros": (~vectors.any(1)).nonzero().flatten().tolist()}  # fmt: skip
        return json.dumps(about)[:-1].encode() + b', "vectors": ' + written(vectors, asked.format) + b"}"

    async def neighbors(self, asked: NeighborsAsked) -> bytes:
        """See `schema.NeighborsAnswer`."""
        kind = asked.chosen()
        among = asked.among or ("words" if kind in ("word", "words") else "index")
        if kind == "vector" and asked.among is None and "index" not in self.stocks:
            among = "words"
        stock = self.stocks.get(among)
        if stock is None:
            missing = "its rows have no names" if among == "words" else "it was started without --among"
            raise Refused(422, f"there is no {among} to search: {missing}")
        if kind in ("word", "words"):
            if among != "words":
                raise Refused(422, "words are searched among words")
            rows = self.rows_of([asked.word] if asked.word is not None else asked.words or ())
            query = Query(stock, self.sum_of(rows, [1.0] * len(rows)), asked.k, set(rows))
        elif kind == "vector":
            query = Query(stock, torch.tensor(asked.vector), asked.k)
        else:
            given = [getattr(asked, kind)]
            vectors = await self.encoding(lambda: self.encoded(ONE[kind], given, [stock.layer], "concat"))
            query = Query(stock, vectors[0], asked.k)
        return self.told(among, await self.searching(query))

    async def analogy(self, asked: AnalogyAsked) -> bytes:
        """See `schema.NeighborsAnswer`."""
        words = self.known_words()
        rows = self.rows_of([*asked.positive, *asked.negative])
        if asked.method == "3cosmul":
            names = [words.names[row] for row in rows]
            plus, minus = names[: len(asked.positive)], names[len(asked.positive) :]
            found = await self.encoding(lambda: words.analogy(plus, minus, asked.k, asked.method))
            return self.told("words", found)
        signs = [1.0] * len(asked.positive) + [-1.0] * len(asked.negative)
        query = Query(self.stocks["words"], self.sum_of(rows, signs), asked.k, set(rows))
        return self.told("words", await self.searching(query))

    def told(self, among: str, found: Sequence[tuple[str, float]]) -> bytes:
        """An answer of neighbors."""
        near = [{"name": name, "cosine": float(f"{cosine:.9g}")} for name, cosine in found]
        return json.dumps({"content_hash": self.content_hash, "among": among, "neighbors": near}).encode()

    def card(self) -> bytes:
        """What may be known of the embedding: neither settings nor paths of the machine that trained it."""
        card = self.embedding.card
        about = {key: card[key] for key in TOLD if key in card}
        about["lineage"] = [{"how": one.how, "content_hash": one.content_hash} for one in parents_of(card)]
        about["heads"] = {name: head["label"] for name, head in card["heads"].items()}
        about["inputs"] = [name for name, kinds in KINDS.items() if self.embedding.reader.kind in kinds] or ["columns"]
        stocks = {name: {"count": len(s.names), "layer": s.layer} for name, s in self.stocks.items()}
        return json.dumps({"content_hash": self.content_hash, **about, **stocks}).encode()

    def known_words(self) -> Any:
        """The words.

        Raises:
            Refused: there are none.
        """
        if self.words is None:
            raise Refused(422, "this embedding has no words: its rows have no names")
        return self.words

    def rows_of(self, words: Sequence[str]) -> list[int]:
        """The rows of words, or of their lower case. Near spellings are not looked for: that takes a second.

        Raises:
            Refused: one is not in the vocabulary.
        """
        number: Mapping[str, int] = self.known_words().number
        found = [number.get(word, number.get(word.lower(), -1)) for word in words]
        if -1 in found:
            raise Refused(404, f"{words[found.index(-1)][:100]!r} is not in the vocabulary of {len(number):,}")
        return found

    def sum_of(self, rows: Sequence[int], signs: Sequence[float]) -> Tensor:
        """The sum of words' directions."""
        if len(rows) == 1:  # what most ask for
            return self.stocks["words"].search.rows[rows[0]]
        return (self.stocks["words"].search.rows[list(rows)] * torch.tensor(signs)[:, None]).sum(0)

    def encoded(self, kind: str, given: Any, layers: Sequence[str], combine: str) -> Tensor:
        """Vectors of inputs.

        Raises:
            Refused: there is no such layer, or they do not fit.
        """
        self.embedding.reader = forgotten(self.embedding.reader)
        inputs = taken(self.embedding.reader, kind, given, self.limits)
        try:
            return finite(self.embedding.extractor(list(layers), combine)(inputs))
        except ValueError as error:
            raise Refused(422, first_line(error, 300)) from error
        except (RuntimeError, IndexError, TypeError, KeyError, OverflowError) as error:
            raise Refused(422, "the inputs do not fit what this embedding takes") from error


def searched(queries: Sequence[Query]) -> list[list[tuple[str, float]] | Exception]:
    """The nearest of each query, by name; those of one stock by one product."""
    found: list[list[tuple[str, float]] | Exception] = [[] for _ in queries]
    for stock in {id(query.stock): query.stock for query in queries}.values():
        mine, width = [], stock.search.rows.shape[1]
        for place, query in enumerate(queries):
            if query.stock is stock and query.vector.shape == (width,) and query.vector.isfinite().all():
                if query.vector.any():
                    mine.append(place)
                else:
                    found[place] = Refused(422, "all numbers of what is asked for are zero: nothing is nearest to that")
            elif query.stock is stock:
                found[place] = Refused(422, f"a vector here has {width} numbers, all of them finite")
        if mine:
            some = [queries[place] for place in mine]
            vectors = torch.stack([query.vector for query in some])
            answers = stock.search.nearest(vectors, [q.count for q in some], [q.without for q in some])
            for place, (rows, scores) in zip(mine, answers, strict=True):
                found[place] = [(stock.names[row], score) for row, score in zip(rows, scores, strict=True)]
    return found


def called(work: Sequence[Callable[[], Any]]) -> list[Any]:
    """What pieces of work return."""
    return [one() for one in work]


def written(vectors: Tensor, form: str) -> bytes:
    """Rows as JSON: numbers, in as many digits as tell float32 apart, or base64."""
    if form == "base64":
        return b'"' + base64.b64encode(vectors.contiguous().numpy().astype("<f4").tobytes()) + b'"'
    rows = ("[" + ", ".join(map("%.9g".__mod__, row)) + "]" for row in vectors.tolist())
    return ("[" + ", ".join(rows) + "]").encode()


def relative(index: Vectors, place: str) -> Vectors:
    """An index whose names do not say where on this machine its files are."""
    root = Path(place).expanduser()
    root = root if root.is_dir() else root.parent
    names = []
    for name in index.names:
        path = Path(name)
        inside = path.is_relative_to(root) if path.is_absolute() or str(root) != "." else False
        names.append(str(path.relative_to(root)) if inside else path.name if path.is_absolute() else name)
    return Vectors(index.rows, names, index.content_hash, index.layer)
