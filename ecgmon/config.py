"""YAML to typed settings, with errors that name file and key.

Each component declares its own options as a subclass of :class:`Settings`, beside the code that they
configure; this module only loads them. The field's annotation is the single place of type, range and
explanation::

    class BatchSettings(Settings):
        size: Annotated[int, Meta(ge=1, le=4096, description="beats scored together at most")] = 128
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from ecgmon.errors import ConfigError

T = TypeVar("T")

MAX_CONFIG_BYTES = 1_000_000


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all settings: immutable, by keyword, and an unknown key is an error."""


def load(path: str | Path, kind: type[T]) -> T:
    """Read a YAML file into ``kind``.

    Raises :class:`ConfigError` with file and key when the file is missing, is not YAML, holds a key that
    ``kind`` does not declare, or a value of the wrong type or out of range.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a YAML file") from None
    if len(raw) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_CONFIG_BYTES} bytes, which is no configuration")
    try:
        tree = yaml.load(raw, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader, stricter
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid YAML: {_where_and_why(error)}") from None
    return convert({} if tree is None else tree, kind, where=str(path))


def convert(tree: Any, kind: type[T], *, where: str) -> T:
    """Turn plain data into ``kind``; ``where`` names its origin in errors."""
    try:
        return msgspec.convert(tree, kind, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_explain(str(error), kind)}") from None


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping; plain YAML loaders keep the last silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | None):
                raise _error("a key must be a plain value", key_node)
            if key in seen:
                raise _error(f"key '{key}' stands twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _where_and_why(error: Exception) -> str:
    """Without the line itself, which PyYAML would quote: a password may stand in it."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return place + ", ".join(text for text in (error.context, error.problem) if text)


def _error(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _explain(message: str, kind: type[Any]) -> str:
    """msgspec's message with the path in front and, for an unknown key, the nearest known one behind."""
    text, _, path = message.partition(" - at `")
    where = path.rstrip("`").removeprefix("$").lstrip(".")
    unknown = re.search(r"unknown field `(.*)`", text)
    if unknown:
        text = f"unknown key '{unknown[1]}'"
        near = difflib.get_close_matches(unknown[1], _all_keys(kind), n=1)
        if near:
            text += f"; did you mean '{near[0]}'?"
    missing = re.search(r"missing required field `(.*)`", text)
    if missing:
        text = f"key '{missing[1]}' is missing"
    return f"{where}: {text}" if where else text


def _all_keys(kind: type[Any]) -> list[str]:
    schema = msgspec.json.schema(kind)
    nodes: list[Any] = [schema, *schema.get("$defs", {}).values()]
    return sorted({key for node in nodes for key in node.get("properties", {})})
