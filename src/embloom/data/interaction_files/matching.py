"""A file of held-out interactions, by the numbers that people and items have in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embloom.artifact.readers.cells import shown
from embloom.data.interaction_files.cache import InteractionLog, blocks_of
from embloom.data.interaction_files.format import InteractionColumns, layout_of
from embloom.data.interaction_files.ids import is_plain
from embloom.data.interaction_files.parse import Parser
from embloom.data.interaction_files.ragged import CHUNK
from embloom.data.interaction_files.splits import HeldOut
from embloom.files.finding import files_at


def matched(
    train: InteractionLog,
    test: InteractionLog,
    columns: InteractionColumns,
    kind: str = "auto",
    where: str = "dataset.test",
) -> tuple[HeldOut, list[str]]:
    """What a test file holds out.

    Args:
        train: the training interactions.
        test: the file's, as `open_interactions` gives them.
        columns: as it was opened with.
        kind: likewise.
        where: the override that names the file, for messages.

    Returns:
        The interactions, and a line each on what was left out: people and items that training has not, with the line
        of the first one, and what a person had in training already.

    Raises:
        ValueError: nothing remains.
    """
    path, said = str(test.about["path"]), list[str]()
    users = numbers_in(test.user_names, train.user_names)
    items = numbers_in(test.item_names, train.item_names)
    for what, role, names, found in (
        ("people", "user", test.user_names, users),
        ("items", "item", test.item_names, items),
    ):
        if new := [name for name, number in zip(names, found.tolist(), strict=True) if number < 0]:
            place, name = first_place(path, columns, kind, role, new, where)
            said.append(
                f"{where}: {len(new):,} of {len(names):,} {what} are not in training, such as '{shown(name)}' "
                f"({place}): left out"
            )
    user, item = np.repeat(users, np.diff(test.offsets)), items[test.items]
    good = (user >= 0) & (item >= 0)
    if not good.any():
        raise ValueError("\n".join([f"{where}={path}: no interaction is of a person and an item in training", *said]))
    user, item = user[good], item[good]
    rating = None if test.ratings is None else test.ratings[good]
    fresh = ~had(train, user, item)
    if not fresh.any():
        raise ValueError(f"{where}={path}: every interaction is in training too")
    if not fresh.all():
        said.append(f"{where}: {int((~fresh).sum()):,} of {len(fresh):,} interactions are in training too: left out")
    order = np.argsort(user[fresh], kind="stable")
    chosen = np.flatnonzero(fresh)[order]
    return HeldOut(user[chosen], item[chosen], None if rating is None else rating[chosen]), said


def numbers_in(names: Sequence[str], known: Sequence[str]) -> NDArray[np.int32]:
    """Where names stand among others, or -1."""
    number = {name: place for place, name in enumerate(known)}
    return np.array([number.get(name, -1) for name in names], np.int32)


def had(train: InteractionLog, user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which pairs are in training."""
    size = len(train.item_names)
    pairs = user.astype(np.int64) * size + item
    ordered = np.unique(pairs)
    seen = np.zeros(len(ordered), np.bool_)
    for start in range(0, len(train.items), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(train.items)))
        owner = np.searchsorted(train.offsets, rows, "right") - 1
        found = owner * size + train.items[rows[0] : rows[-1] + 1]
        place = np.searchsorted(ordered, found).clip(max=len(ordered) - 1)
        seen[place[ordered[place] == found]] = True
    return seen[np.searchsorted(ordered, pairs)]


def first_place(
    path: str, columns: InteractionColumns, kind: str, role: str, names: Sequence[str], where: str
) -> tuple[str, str]:
    """The first line that has one of some ids, and the id; reads the file up to there.

    Args:
        path: the file.
        columns: of it.
        kind: of it.
        role: `user` or `item`.
        names: the ids.
        where: the override that names the file, for messages.
    """
    files = files_at(path, "file of interactions", where=where)
    layout = layout_of(files[0], columns, kind, where.rpartition(".")[0])
    parser, wanted = Parser(layout), {name.encode() for name in names}
    plain = np.array([int(name) for name in names if is_plain(name.encode())], np.int64)
    for block in blocks_of(files, layout, None, 0):
        rows = parser.rows(block)
        codes, ids = (rows.users, parser.users) if role == "user" else (rows.items, parser.items)
        others = [-1 - place for place, name in enumerate(ids.names) if name in wanted]
        hits = np.flatnonzero(np.isin(codes, np.concatenate([plain, np.array(others, np.int64)])))
        if len(hits):
            code = int(codes[hits[0]])
            return parser.place(block, rows, int(hits[0])), str(code) if code >= 0 else ids.names[-1 - code].decode()
    raise AssertionError(f"{path} has changed")
