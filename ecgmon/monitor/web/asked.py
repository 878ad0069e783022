"""What stands in a query, checked."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

MOST_SEEN: Final = 512
"""Streams that one viewer can see at a time: a wall of small tiles on a 4K screen has some 300. With long
numbers they take 9 KB of a request."""


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """A request that cannot be answered; ``detail`` says why."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Query:
    """The keys of a query, each once; those that are not ``known`` are refused."""

    def __init__(self, query: str, known: tuple[str, ...]) -> None:
        try:
            pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=16)
        except ValueError:
            raise bad("the query has more than 16 keys") from None
        self._values = dict(pairs)
        strange = next((key for key, _ in pairs if key not in known), None)
        if strange is not None:
            raise bad(f"unknown key {strange[:40]!a}; known are: {', '.join(known) or 'none'}")
        if len(self._values) < len(pairs):
            raise bad("a key stands twice")

    def text(self, key: str) -> str | None:
        """None where it is not given."""
        return self._values.get(key)

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        """A whole number between ``least`` and ``most``."""
        given = self._values.get(key)
        if given is None:
            return default
        if not (given.isascii() and given.isdigit() and len(given) < 16 and least <= int(given) <= most):
            raise bad(f"{key}: a whole number from {least} to {most} is needed")
        return int(given)

    def one_of(self, key: str, words: tuple[str, ...]) -> str | None:
        """One of ``words``."""
        given = self._values.get(key)
        if given is not None and given not in words:
            raise bad(f"{key}: one of {', '.join(words)} is needed")
        return given

    def positions(self, key: str) -> dict[int, int]:
        """``12@4500,13``: numbers of streams, and the number of the sample from which on each is wanted."""
        found: dict[int, int] = {}
        for part in filter(None, (self._values.get(key) or "").split(",")):
            stream, _, at = part.partition("@")
            if not all(text.isascii() and text.isdigit() and len(text) < 16 for text in (stream, at or "0")):
                raise bad(f"{key}: number@sample,number@sample,... is needed")
            found[int(stream)] = int(at or "0")
        if len(found) > MOST_SEEN:
            raise bad(f"{key}: {MOST_SEEN} streams at most")
        return found


def bad(detail: str) -> Refused:
    """The request is wrong."""
    return Refused(HTTPStatus.BAD_REQUEST, detail)
