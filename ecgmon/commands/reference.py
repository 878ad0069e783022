"""All configuration keys as one Markdown page, made from their declarations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ecgmon.commands.commented import flow
from ecgmon.commands.key_types import kind_of, structs_in
from ecgmon.commands.keys import Key, about, keys_of, tag_of
from ecgmon.config import Settings

HEAD: Final = """\
# Configuration keys

Made by `ecgmon init --reference` from the declarations in the program. A key that is not here is refused. A
range includes its ends but where it says "above" or "below". What is *required* has no default.
"""


def reference(files: dict[str, type[Settings]]) -> str:
    """The page: a chapter for each file, named by the command that reads it, with tables of keys."""
    return "\n".join([HEAD, *(line for name, kind in files.items() for line in _chapter(name, kind))])


def _chapter(name: str, kind: type[Settings]) -> Iterator[str]:
    """A group that several keys have is shown once, and named by its first place."""
    groups = _groups(name, kind)
    yield f"## {name}\n"
    yield f"{about(kind)}\n"
    for group, title in groups.items():
        if group is not kind:
            yield f"### {title}\n"
            yield f"{about(group)}\n"
        keys = keys_of(group)
        if not keys:
            continue
        yield "| key | value | default | meaning |"
        yield "|---|---|---|---|"
        for key in keys:
            default = "*required*" if key.required else _default(key.default)
            yield f"| `{key.name}` | {_value(key, groups)} | {default} | {_cell(key.text)} |"
        yield ""


def _groups(name: str, kind: type[Settings]) -> dict[type[Settings], str]:
    """Each settings class within ``kind`` with the path of its first place, in the order of the file."""
    found: dict[type[Settings], str] = {kind: name}

    def walk(group: type[Settings], path: str) -> None:
        for key in keys_of(group):
            for inner in structs_in(key.type):
                if inner in found:
                    continue
                tag = tag_of(inner)
                place = f"{path}{key.name}"
                found[inner] = f"{name}: {place}" + (f", {tag[0]} {tag[1]}" if tag else "")
                walk(inner, f"{place}.")

    walk(kind, "")
    return found


def _value(key: Key, groups: dict[type[Settings], str]) -> str:
    text = kind_of(key.type)
    inner = structs_in(key.type)
    if inner:
        links = " or ".join(f"[{_short(groups[each])}](#{_anchor(groups[each])})" for each in inner)
        text = text.replace("settings", links)
    return _cell(text)


def _short(title: str) -> str:
    return title.rpartition(", type ")[2].rpartition(": ")[2]


def _anchor(title: str) -> str:
    """As GitHub names a heading."""
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def _default(value: Any) -> str:
    if isinstance(value, msgspec.Struct):
        tag = tag_of(type(value)) if isinstance(value, Settings) else None
        return f"{tag[0]} {tag[1]}" if tag else "as below"
    return f"`{flow(value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
