"""Everything of the live page that the HTTP server serves, as its :class:`~ecgmon.monitor.answers.Site`."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import Final

import msgspec

from ecgmon.monitor.answers import Page, Request, Stream
from ecgmon.monitor.web.api import Api
from ecgmon.monitor.web.asked import Refused
from ecgmon.monitor.web.feed import Feed
from ecgmon.monitor.web.files import HEADERS, file_page, files
from ecgmon.monitor.web.shapes import Problem
from ecgmon.monitor.web.store import RecentStore

PROBLEM: Final = "application/problem+json"


class LivePage:
    """The page's files, which anybody may have, and the API.

    Where the server listens on a loopback, a request must name one, or one of ``hosts``: else a page from
    elsewhere, whose name was made to lead here, could read what is ours.
    """

    def __init__(self, store: RecentStore, feed: Feed, listens: str, hosts: tuple[str, ...]) -> None:
        self._api = Api(store, feed)
        self._hosts = frozenset(host.lower() for host in hosts)
        self._checked = _loopback(listens)

    def open(self, path: str) -> bool:
        return path in files()

    def answer(self, request: Request) -> Page | Stream | None:
        if not (request.path.startswith("/api/") or self.open(request.path)):
            return None
        host = _host(request.header("Host") or "")
        if self._checked and not (_loopback(host) or host in self._hosts):
            text = f"asked for as {host[:80]!a}, which is none of this machine's own names; see page.hosts"
            return _problem(HTTPStatus.MISDIRECTED_REQUEST, text)
        page = file_page(request)
        if page is not None:
            return _safe(page)
        if request.header("Sec-Fetch-Site") == "cross-site":
            return _problem(HTTPStatus.FORBIDDEN, "asked for by a page of another site")
        try:
            answer = self._api.answer(request)
        except Refused as refused:
            return _problem(refused.status, refused.detail)
        return answer._replace(headers=(*answer.headers, *HEADERS))

    def refuse(self, request: Request, page: Page) -> Page:
        if not request.path.startswith("/api/") or page.content_type == PROBLEM:
            return page
        return _problem(page.status, page.body.decode().strip())


def _safe(page: Page) -> Page:
    return page._replace(headers=(*page.headers, *HEADERS))


def _problem(status: HTTPStatus, detail: str) -> Page:
    problem = Problem(title=status.phrase, status=status.value, detail=detail)
    return _safe(Page(status, PROBLEM, msgspec.json.encode(problem) + b"\n"))


def _host(header: str) -> str:
    """Without the port, and without an IPv6 address's brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()


def _loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
