"""``ecgmon serve`` in a process of its own, with a configuration made for the benchmark."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from ecgmon.bench.broker import free_port
from ecgmon.bench.processes import cpu_seconds
from ecgmon.bench.scrape import Page
from ecgmon.errors import EcgmonError

STARTS_WITHIN: Final = 180.0
"""Seconds; kernels may have to be compiled."""


class Daemon:
    """One that is ready. ``ready_seconds`` and ``ready_cpu``: from its start to its first yes on /readyz."""

    def __init__(self, folder: Path, url: str, streams: int, qos: int) -> None:
        port = free_port()
        broker = {"url": url}
        tree: dict[str, Any] = {
            "source": {"type": "mqtt", "qos": qos, "broker": broker},
            "sinks": [{"type": "mqtt", "broker": broker}],
            "http": {"port": port},
            "max_streams": max(streams, 1),
            "model": {"device": "cpu"},
            "logging": {"level": "warning"},
        }
        path = folder / "serve.yaml"
        path.write_text(yaml.safe_dump(tree))
        self._log = folder / "serve.log"
        self._root = f"http://127.0.0.1:{port}"
        began = time.monotonic()
        command = [sys.executable, "-m", "ecgmon.cli", "serve", "--config", str(path)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL)  # noqa: S603
        try:
            self._wait(began + STARTS_WITHIN)
        except BaseException:
            self.stop()
            raise
        self.ready_seconds = time.monotonic() - began
        self.ready_cpu = cpu_seconds(self.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    def page(self) -> Page:
        """Its metrics now."""
        try:
            return Page.parse(self._get("/metrics"))
        except urllib.error.URLError as error:
            raise EcgmonError(
                f"ecgmon serve does not answer ({error.reason}): {self._last_words()}"
            ) from None

    def stop(self) -> None:
        """End it; it may take some seconds to hand on what it has."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self, until: float) -> None:
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > until:
                raise EcgmonError(f"ecgmon serve did not become ready: {self._last_words()}")
            time.sleep(0.02)

    def _ready(self) -> bool:
        try:
            return bool(self._get("/readyz"))
        except OSError:  # not listening yet, or 503
            return False

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(self._root + path, timeout=10) as answer:  # noqa: S310 - http, ours
            return str(answer.read().decode())

    def _last_words(self) -> str:
        lines = self._log.read_text().strip().splitlines()
        return lines[-1] if lines else f"exit {self._process.poll()}, nothing in its log"


@contextmanager
def serving(folder: Path, url: str, streams: int, qos: int) -> Iterator[Daemon]:
    """A daemon for the time of a block."""
    daemon = Daemon(folder, url, streams, qos)
    try:
        yield daemon
    finally:
        daemon.stop()
