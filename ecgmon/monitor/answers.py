"""What is asked over HTTP, and what is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

import msgspec


class Page(NamedTuple):
    """An answer."""

    status: HTTPStatus
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    """Others than type, length and ``Cache-Control: no-store``, or instead of the last."""


class Parts(Protocol):
    """What a stream consists of."""

    def __iter__(self) -> Iterator[bytes]:
        """Each part, which is sent before the next is asked for; empty where there is nothing to say."""

    def close(self) -> None:
        """Nobody wants more; called once, also where nothing was asked for."""


class Stream(NamedTuple):
    """An answer that goes on until its end or until the client is gone."""

    content_type: str
    parts: Parts
    headers: tuple[tuple[str, str], ...] = ()


class Request(NamedTuple):
    """What was asked: ``path`` as it came, without the query."""

    path: str
    query: str
    header: Callable[[str], str | None]
    """Of a header its value; names in whatever case."""


class Site(Protocol):
    """What is served beside the pages of fixed names."""

    def open(self, path: str) -> bool:
        """Whether ``path`` may be had without the token."""

    def answer(self, request: Request) -> Page | Stream | None:
        """None: there is no such thing."""

    def refuse(self, request: Request, page: Page) -> Page:
        """``page``, which says that something went wrong, in the site's own form."""


def text_page(content_type: str, body: bytes) -> Page:
    """A page that was made."""
    return Page(HTTPStatus.OK, content_type, body)


def json_page(value: Any, status: HTTPStatus = HTTPStatus.OK) -> Page:
    """``value`` as JSON."""
    return Page(status, "application/json", msgspec.json.encode(value) + b"\n")
