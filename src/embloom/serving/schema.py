"""What may be asked and what is answered, as models that check a body and describe it as JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.json_schema import models_json_schema

from embloom.serving.limits import Limits, Refused

LIMITS = Limits()
Word = Annotated[str, Field(min_length=1, max_length=1000)]
Text = Annotated[str, Field(max_length=200_000)]
Hash = Annotated[str, Field(max_length=100, description="refuse to answer from another embedding than this one")]
Count = Annotated[int, Field(ge=1, le=LIMITS.neighbors)]
Words = Annotated[list[Word], Field(fail_fast=True, min_length=1, max_length=LIMITS.items)]
Vector = Annotated[list[float], Field(fail_fast=True, min_length=1, max_length=1 << 16)]
# Checked by hand, so that a body of very many mistakes has one message and not as many.
Rows = Annotated[list[Any], Field(min_length=1, max_length=LIMITS.items)]


class Asked(BaseModel):
    """What every body may hold; it may hold nothing else than its model names."""

    # Unknown keys are kept, and refused all at once.
    model_config = ConfigDict(
        extra="allow", strict=True, allow_inf_nan=False, json_schema_extra={"additionalProperties": False}
    )
    one_of: ClassVar[tuple[str, ...]] = ()

    content_hash: Hash | None = None

    def chosen(self) -> str:
        """Which of the alternatives is given.

        Raises:
            Refused: none is, or several are.
        """
        given = [name for name in self.one_of if getattr(self, name) is not None]
        if len(given) != 1:
            raise Refused(422, f"give one of {', '.join(self.one_of)}, and there are {len(given)}")
        return given[0]


class EncodeAsked(Asked):
    """Inputs of one kind: texts; images (bytes of a file in base64); rows of a table by column; columns of numbers or
    names by name; or words of the table."""

    one_of = ("texts", "images", "rows", "columns", "words")
    texts: Annotated[list[Text], Field(fail_fast=True, min_length=1, max_length=LIMITS.items)] | None = None
    images: Annotated[list[str], Field(fail_fast=True, min_length=1, max_length=LIMITS.items)] | None = None
    rows: Rows | None = None
    columns: dict[str, Any] | None = None
    words: Words | None = None
    layer: Word | Annotated[list[Word], Field(fail_fast=True, min_length=1, max_length=16)] = "embedding"
    combine: Literal["concat", "average"] = "concat"
    format: Literal["numbers", "base64"] = "numbers"


class NeighborsAsked(Asked):
    """What is nearest to a word, to the mean direction of several, to a vector, or to an input."""

    one_of = ("word", "words", "vector", "text", "image", "row")
    word: Word | None = None
    words: Words | None = None
    vector: Vector | None = None
    text: Text | None = None
    image: str | None = None
    row: dict[str, Any] | None = None
    among: Annotated[Literal["words", "index"] | None, Field(description="of a vector; else of its kind")] = None
    k: Count = 10


class AnalogyAsked(Asked):
    """king - man + woman: `positive` king and woman, `negative` man."""

    positive: Words
    negative: Annotated[list[Word], Field(fail_fast=True, max_length=LIMITS.items)] = []
    k: Count = 10
    method: Literal["3cosadd", "3cosmul"] = "3cosadd"


class Answer(BaseModel):
    """What every answer holds."""

    content_hash: str


class EncodeAnswer(Answer):
    """Vectors, in the order of the inputs; in base64 they are little-endian float32, row after row. `zeros` are the
    places, from 0 on, of those that are zero, as averages of words are where no word of the text is known."""

    layer: str
    count: int
    width: int
    zeros: list[int]
    vectors: list[list[float]] | str


class Neighbor(BaseModel):
    """One that is near; by 3cosmul the score is no cosine."""

    name: str
    cosine: float


class NeighborsAnswer(Answer):
    """The nearest first."""

    among: str
    neighbors: list[Neighbor]


class CardAnswer(Answer):
    """What the embedding is: layers and widths, what it reads, labels, figures, where it comes from."""

    model_config = ConfigDict(extra="allow")


class HealthAnswer(Answer):
    """That it answers."""

    status: Literal["ok"]


class Problem(BaseModel):
    """Why there is no other answer."""

    error: str
    content_hash: str


def parsed(model: type[Asked], body: bytes) -> Any:
    """A body as a model.

    Raises:
        Refused: it is no JSON, or does not fit.
    """
    try:
        found = model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))[:100]
        status = 400 if first["type"] == "json_invalid" else 422
        raise Refused(status, f"{place}: {first['msg']}"[:300] if place else str(first["msg"])[:300]) from None
    if found.model_extra:
        known = ", ".join(model.model_fields)
        raise Refused(422, f"{next(iter(found.model_extra))[:100]!r}: it takes {known}")
    return found


PATHS: Mapping[str, tuple[str, type[Asked] | None, type[Answer], str]] = {
    "/encode": ("post", EncodeAsked, EncodeAnswer, "Vectors of inputs, or of words"),
    "/neighbors": ("post", NeighborsAsked, NeighborsAnswer, "What is nearest"),
    "/analogy": ("post", AnalogyAsked, NeighborsAnswer, "Answers to an analogy"),
    "/card": ("get", None, CardAnswer, "What the embedding is"),
    "/health": ("get", None, HealthAnswer, "Whether the service answers"),
}


def openapi(version: str) -> dict[str, Any]:
    """The service as OpenAPI 3.1 describes it."""
    models = [model for _, asked, answer, _ in PATHS.values() for model in (asked, answer) if model is not None]
    _, described = models_json_schema(
        [*((model, "validation") for model in models), (Problem, "validation")],
        ref_template="#/components/schemas/{model}",
    )
    problem = {"description": "refused", "content": content(Problem)}
    paths: dict[str, Any] = {}
    for path, (method, asked, answer, summary) in PATHS.items():
        about: dict[str, Any] = {
            "summary": summary, "operationId": path[1:], "parameters": [PIN],
            "responses": {"200": {"description": summary, "content": content(answer)}, "4XX": problem, "503": problem},
        }  # fmt: skip
        if asked is not None:
            about["requestBody"] = {"required": True, "content": content(asked)}
        paths[path] = {method: about}
    return {
        "openapi": "3.1.0", "info": {"title": "embloom", "version": version}, "paths": paths,
        "components": {"schemas": described["$defs"]},
    }  # fmt: skip


PIN = {
    "name": "embloom-hash", "in": "header", "required": False, "schema": {"type": "string"},
    "description": "the content hash that must answer, or its first 12 digits or more; another one gives 409",
}  # fmt: skip


def content(model: type[BaseModel]) -> dict[str, Any]:
    """A body of JSON."""
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
