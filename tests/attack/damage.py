"""Damages files, from a seed: bytes of any file, and fields of what is JSON or YAML."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

FORMATS = (
    b"", b"\n", b"{}", b"[]", b"null", b"garbage " * 100, b"\x89PNG\r\n\x1a\n" + bytes(64), b"PK\x03\x04" + bytes(200),
    b"\x1f\x8b\x08\x00" + bytes(60), b"PAR1" + bytes(90) + b"PAR1", b"\x93NUMPY\x01\x00v\x00{'descr': '|O'}",
    b"GIF89a" + bytes(30), b"\x80\x04\x95" + bytes(30), b"a,b\n1,2\n", b"3 2\na 1 2\nb 3 4\n", b"\xff\xfeh\x00i\x00",
    b"{" * 100_000, b"[" * 100_000, b"- " * 50_000, b'"' * 999, b"%PDF-1.7\n", bytes(4096), b"\xff" * 4096,
)  # fmt: skip


def cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def flipped(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 8, 64))):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def flipped_at_the_front(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    changed[draw.randrange(min(128, len(changed)))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def block(content: bytes, draw: random.Random) -> tuple[int, int]:
    size = min(len(content), draw.choice((1, 8, 64, 512, 4096)))
    begin = draw.randrange(len(content) - size + 1)
    return begin, begin + size


def zeroed(content: bytes, draw: random.Random) -> bytes:
    begin, end = block(content, draw)
    return content[:begin] + bytes(end - begin) + content[end:]


def noisy(content: bytes, draw: random.Random) -> bytes:
    begin, end = block(content, draw)
    return content[:begin] + draw.randbytes(end - begin) + content[end:]


def repeated(content: bytes, draw: random.Random) -> bytes:
    begin, end = block(content, draw)
    return content[:end] + content[begin:]


def lost(content: bytes, draw: random.Random) -> bytes:
    begin, end = block(content, draw)
    return content[:begin] + content[end:]


def swapped(content: bytes, draw: random.Random) -> bytes:
    a, b, c = sorted(draw.randrange(len(content) + 1) for _ in range(3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def longer(content: bytes, draw: random.Random) -> bytes:
    return content + draw.randbytes(draw.choice((1, 7, 512)))


def another(content: bytes, draw: random.Random) -> bytes:
    return draw.choice(FORMATS)


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    cut, flipped, flipped_at_the_front, zeroed, noisy, repeated, lost, swapped, longer, another,
)  # fmt: skip


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


VALUES: tuple[Any, ...] = (
    None, [], {}, [1, "a", None], {"a": {"b": 1}}, True, 0, -1, 3.5, 10**30, -(10**30), 1e308, float("nan"),
    float("inf"), "", "text", "\x1b[31mred\x07", "../../etc/passwd", "${oc.env:HOME}", "os.system", "a" * 10_000,
    nested(50), nested(900), nested(5000), {"_target_": "os.system", "command": "true"}, [[1, 2], [3]], 2**31, 2**63,
)  # fmt: skip


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where values stand; of long lists the first few."""
    if path:
        yield path
    if isinstance(node, dict):
        for key, value in node.items():
            yield from places(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node[:3]):
            yield from places(value, (*path, number))


def with_another_field(content: Any, draw: random.Random) -> tuple[str, Any]:
    """A copy of nested containers with one field replaced or removed, and what was done."""
    copy = json.loads(json.dumps(content))
    # Each level is as likely as any other: the many fields are deep down.
    path = draw.choice([p for p in places(copy) if len(p) <= draw.choice((1, 2, 3, 9))])
    parent = copy
    for key in path[:-1]:
        parent = parent[key]
    where = ".".join(map(str, path))
    if draw.random() < 0.15:
        del parent[path[-1]]
        return f"without {where}", copy
    value = draw.choice(VALUES)
    parent[path[-1]] = value
    return f"{where}={repr(value)[:60] if not isinstance(value, list) else 'a list'}", copy


def damaged(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """Another content, and what was done; differs from the content."""
    while True:
        how = draw.choice(BYTES)
        found = how(content, draw) if content else another(content, draw)
        if found != content:
            return how.__name__, found


def with_another_header(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """A safetensors file of which a field of the header is another."""
    (size,) = struct.unpack("<Q", content[:8])
    how, header = with_another_field(json.loads(content[8 : 8 + size]), draw)
    text = json.dumps(header).encode()
    return how, struct.pack("<Q", len(text)) + text + content[8 + size :]


def lines_damaged(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """Text with a line, or a cell of one, that is another."""
    lines = content.split(b"\n")
    number = draw.randrange(len(lines))
    values: Sequence[bytes] = (
        b"", b",", b'"', b",,,,", b"1e999", b"nan", b"\x00", b"\xff\xfe", b"a" * 200_000, b'"a', b"=1+1", b"1" * 5000,
    )  # fmt: skip
    value = draw.choice(values)
    cells = lines[number].split(b",")
    if draw.random() < 0.5:
        cells[draw.randrange(len(cells))] = value
        value = b",".join(cells)
    lines[number] = value
    return f"line {number}={value[:20]!r}", b"\n".join(lines)
