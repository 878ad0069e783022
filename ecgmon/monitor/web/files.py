"""The page itself: a few files of the package, served as they are."""

from __future__ import annotations

import hashlib
from functools import cache
from http import HTTPStatus
from importlib import resources
from typing import Final

from ecgmon.monitor.answers import Page, Request

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""The page may fetch from where it came and from nowhere else, and may not be framed."""

HEADERS: Final = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
"""Of every answer of the site."""


@cache
def files() -> dict[str, tuple[str, bytes, str]]:
    """Path to type, content and tag; read once."""
    found = {}
    for entry in resources.files("ecgmon.monitor.web").joinpath("page").iterdir():
        suffix = "." + entry.name.rpartition(".")[2]
        if suffix in TYPES:
            content = entry.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            found["/" if entry.name == "index.html" else f"/page/{entry.name}"] = TYPES[suffix], content, tag
    return found


def file_page(request: Request) -> Page | None:
    """A file of the page, not modified where the browser has it; None: there is no such file."""
    known = files().get(request.path)
    if known is None:
        return None
    kind, content, tag = known
    headers = (("ETag", tag), ("Cache-Control", "no-cache"))
    if request.header("If-None-Match") == tag:
        return Page(HTTPStatus.NOT_MODIFIED, kind, b"", headers)
    return Page(HTTPStatus.OK, kind, content, headers)
