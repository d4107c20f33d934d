"""The configuration in a run folder, read as what it may be: anybody's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from embloom.files.atomic import write_whole
from embloom.files.run_state import CONFIG
from embloom.files.seal import sealed_text, unsealed_text

MOST_BYTES = 1 << 20
GROUPS = ("dataset", "encoder", "loss", "optimizer", "scheduler", "trainer")


class PlainLoader(yaml.SafeLoader):
    """YAML without aliases, by which a few lines can stand for billions of values."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """See PyYAML.

        Raises:
            YAMLError: there is an alias.
        """
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has aliases, which embloom never writes")
        return super().compose_node(parent, index)


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Writes `config.yaml`, whole and sealed."""
    text = sealed_text(yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))
    write_whole(folder / CONFIG, lambda file: file.write(text.encode()))


def read_config(folder: Path) -> dict[str, Any]:
    """Reads `config.yaml`: plain containers, with nothing to be interpolated (`${oc.env:...}` would ask for secrets).

    Raises:
        ValueError: it is damaged, or not what a run writes.
    """
    path = folder / CONFIG
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("it is far too large")
        content = yaml.load(unsealed_text(path.read_text(encoding="utf-8")), PlainLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {' '.join(str(error).split())[:200]}") from error
    return checked_config(content, path)


def checked_config(content: Any, path: Path) -> dict[str, Any]:
    """What was read at `path`, if it is a configuration as a run has it.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(content, dict) or not all(isinstance(content.get(group), dict) for group in GROUPS):
        raise ValueError(f"{path} is no configuration of a run: it is damaged")
    for name, node in nodes(content):
        if not all(isinstance(key, str) for key in node):
            raise ValueError(f"{path}: {name or 'it'} has keys that are no names: it is damaged")
    for key, value in texts(content):
        if "${" in value:
            raise ValueError(f"{path}: {key} asks to be interpolated, which no configuration of a run does")
    return content


def nodes(node: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Every mapping, with where it stands."""
    yield prefix.rstrip("."), node
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from nodes(value, f"{prefix}{key}.")


def texts(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every text in nested containers, with where it stands."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from texts(value, f"{prefix}{key}.")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from texts(value, f"{prefix}{i}.")
    elif isinstance(node, str):
        yield prefix.rstrip("."), node
