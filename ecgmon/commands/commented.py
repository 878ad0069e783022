"""Settings as commented YAML: every key with its default and its meaning."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import yaml

from ecgmon.commands.key_types import range_of, structs_in
from ecgmon.commands.keys import Key, about, keys_of, tag_of
from ecgmon.config import Settings

WIDTH: Final = 110
"""Columns of a line with its comment."""

COLUMN: Final = 34
"""Where comments begin."""


class _Flow(yaml.SafeDumper):
    """Repeats what occurs twice, where plain YAML would point to the first."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


class Commented:
    """Writes settings; those of the classes in ``anchors`` once, under their name, and then by it."""

    def __init__(self, anchors: dict[type[Settings], str]) -> None:
        self._anchors = anchors
        self._written: dict[str, Settings] = {}

    def lines(self, settings: Settings, indent: int = 0, *, spaced: bool = False) -> Iterator[str]:
        """The keys of ``settings``; those without a value stand as comments. ``spaced``: an empty line and a
        heading before each group."""
        kind = type(settings)
        tag = tag_of(kind)
        if tag is not None:
            yield from _line(" " * indent + f"{tag[0]}: {tag[1]}", about(kind))
        after_group = False
        for key in sorted(keys_of(kind), key=lambda key: not key.required):
            group = bool(structs_in(key.type)) or key.required
            if spaced and (group or after_group):
                yield ""
            yield from self._entry(key, getattr(settings, key.field), indent)
            after_group = group

    def _entry(self, key: Key, value: Any, indent: int) -> Iterator[str]:
        margin = " " * indent
        if isinstance(value, Settings):
            yield from self._group(key, value, indent)
        elif value is None:
            yield from _line(f"{margin}# {key.name}:", _said(key))
        elif isinstance(value, list | tuple) and value and isinstance(value[0], Settings):
            yield from _line(f"{margin}{key.name}:", key.text)
            for item in value:
                first, *rest = self.lines(item, indent + 4)
                yield f"{margin}  - {first.lstrip()}"
                yield from rest
        else:
            yield from _line(f"{margin}{key.name}: {flow(value)}", _said(key))

    def _group(self, key: Key, value: Settings, indent: int) -> Iterator[str]:
        head = " " * indent + f"{key.name}:"
        anchor = self._anchors.get(type(value))
        if anchor is None:
            yield from _line(head, key.text)
        elif self._written.get(anchor) == value:
            yield from _line(f"{head} *{anchor}", "the same as above")
            return
        else:
            self._written[anchor] = value
            yield from _line(f"{head} &{anchor}", key.text)
        yield from self.lines(value, indent + 2)


def _said(key: Key) -> str:
    """Meaning and range."""
    allowed = range_of(key.type)
    return f"{key.text} ({allowed})" if allowed else key.text


def flow(value: Any) -> str:
    """A plain value on one line of YAML."""
    plain = msgspec.to_builtins(value)
    text = yaml.dump(
        plain, Dumper=_Flow, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _line(text: str, comment: str) -> list[str]:
    """A line with its comment behind it, or above it where there is no room."""
    comment = comment.strip()
    if not comment:
        return [text]
    one = f"{text:<{COLUMN}}  # {comment}"
    if len(one) <= WIDTH:
        return [one]
    margin = text[: len(text) - len(text.lstrip())]
    return [f"{margin}# {part}" for part in textwrap.wrap(comment, WIDTH - len(margin) - 2)] + [text]
