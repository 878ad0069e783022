"""What a settings class declares, key by key: name, kind of value, default, meaning.

All of it is read from the declaration itself: kinds and bounds from the annotation, the meaning from its
``Meta(description=...)`` or else from the string below the field.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
from msgspec.inspect import Field, Metadata, Type, UnionType, type_info

from ecgmon.commands.key_types import structs_in
from ecgmon.config import Settings


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a settings class."""

    name: str
    """As it stands in a file."""
    field: str
    """Name of the attribute."""
    type: Type
    required: bool
    default: Any
    """As a value of the settings; None where the key is required."""
    text: str
    """What it means; for settings within settings, what those are."""
    example: Any
    """A value to show where there is no default; None without one."""


def keys_of(kind: type[Settings]) -> list[Key]:
    """All keys of ``kind``, in the order of their declaration."""
    return [_key(kind, field) for field in getattr(type_info(kind), "fields", ())]


def about(kind: type[Settings]) -> str:
    """The first paragraph of a class's own docstring, on one line."""
    return _flat((kind.__doc__ or "").partition("\n\n")[0])


def tag_of(kind: type[Settings]) -> tuple[str, str] | None:
    """The key that names ``kind`` among others, and its value there; None where there is no choice."""
    declared = kind.__struct_config__
    return None if declared.tag is None else (str(declared.tag_field or "type"), str(declared.tag))


def _key(kind: type[Settings], field: Field) -> Key:
    default: Any = None
    if field.default is not msgspec.NODEFAULT:
        default = field.default
    elif field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    said = dict(_said(field.type))
    text = said.get("description") or _strings_below(kind).get(field.name, "")
    inner = structs_in(field.type)
    if not text and len(inner) == 1:
        text = about(inner[0])
    example = said.get("examples", [None])[0]
    return Key(field.encode_name, field.name, field.type, field.required, default, _flat(text), example)


def _said(node: Type) -> Iterator[tuple[str, Any]]:
    """What ``Meta`` says beside bounds, also where it stands in one branch of ``... | None``."""
    match node:
        case Metadata():
            yield from _said(node.type)
            yield from (node.extra_json_schema or {}).items()
        case UnionType():
            for each in node.types:
                yield from _said(each)


@cache
def _strings_below(kind: type[Settings]) -> dict[str, str]:
    """Field by field the string that stands below it, those of the base classes included."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, Settings) and base is not Settings:
            found.update(_strings_of(base))
    return found


def _strings_of(kind: type[Settings]) -> Iterator[tuple[str, str]]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for pair in pairwise(body):
        match pair:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(value=ast.Constant(str(text))):
                yield name, text


def _flat(text: str) -> str:
    """On one line, without the marks of reStructuredText; one sentence alone without its full stop."""
    text = re.sub(r":\w+:`~?([^`]*)`", r"\1", " ".join(text.split())).replace("``", "")
    return text if ". " in text or text.endswith("..") else text.removesuffix(".")
