"""A report page taken apart, for tests."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "br", "link", "img"}


class Page(HTMLParser):
    """``tables``: caption to row to key of the column to the full figure."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.unclosed: list[str] = []
        self.addresses: list[str] = []
        self.pictures: list[str] = []
        self.labels: list[str] = []
        self.ids: list[str] = []
        self.tables: dict[str, dict[str, dict[str, Any]]] = {}
        self._keys: list[str] = []
        self._row: list[Any] = []
        self._text = ""
        self._name = ""
        self._caption = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.unclosed.append(tag)
        self._note(tag, {name: value or "" for name, value in attrs})

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, {name: value or "" for name, value in attrs})

    def _note(self, tag: str, attrs: dict[str, str]) -> None:
        self._text = ""
        self.addresses += [
            attrs[name] for name in ("src", "href", "srcset", "xlink:href")
            if name in attrs and not attrs[name].startswith(("#", "data:"))
        ]  # fmt: skip
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "figure":
            self.pictures.append(attrs["data-png"])
        elif tag == "svg":
            assert attrs["role"] == "img"
            self.labels.append(attrs["aria-label"])
        elif tag == "table":
            self._keys = []
        elif tag == "th" and "data-k" in attrs:
            self._keys.append(attrs["data-k"])
        elif tag == "tr":
            self._row = []
        elif tag == "td" and "data-v" in attrs:
            self._row.append(json.loads(attrs["data-v"]) if attrs["data-v"] else None)

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag
        if tag == "caption":
            self._caption = self._text
            self.tables[self._caption] = {}
        elif tag == "th":
            self._name = self._text
        elif tag == "tr" and self._row:
            self.tables[self._caption][self._name] = dict(zip(self._keys, self._row, strict=True))


def figure_at(tree: Any, path: str) -> Any:
    """The figure of ``evaluate --json`` that belongs into a column, such as ``beats.per_class_auroc.V``."""
    beginning, _, rate = path.partition("false_positive_rates.")
    if rate:
        rates = tree["beats"]["false_positive_rates"]
        return next(r["realised"] for r in rates if r["requested"] == float(rate))
    for key in beginning.split("."):
        tree = tree.get(key, 0) if "other_kinds" in path else tree[key]
    return tree
