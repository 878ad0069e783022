"""What the live page may be told."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ecgmon.config import Settings


class PageSettings(Settings, frozen=True):
    """The live page and its API, on the port of ``http``."""

    enabled: bool = True
    """False: neither page nor API, only what ``http`` has of itself."""
    viewers: Annotated[int, Meta(ge=1, le=1000, description="browsers that may look at a time")] = 16
    alerts: Annotated[int, Meta(ge=1, le=100_000, description="alerts kept to look back at")] = 500
    hosts: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    """Names, beside this machine's loopback names, under which a proxy on it may ask for the page."""
