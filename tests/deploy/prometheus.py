"""A real Prometheus on loopback with the shipped configuration, asked over its HTTP API."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecgmon.bench.broker import free_port

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"


@dataclass(frozen=True)
class Series:
    """One series of an answer: times (UTC, s) and values, which may be NaN."""

    labels: dict[str, str]
    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, result: dict[str, Any]) -> Series:
        points = result["values"] if "values" in result else [result["value"]]
        return cls(result["metric"], [float(t) for t, _ in points], [float(v) for _, v in points])


class Prometheus:
    """One that runs."""

    def __init__(self, url: str) -> None:
        self._url = url

    def now(self, query: str, at: float) -> list[Series]:
        """The answer at a moment (UTC, s); :class:`AssertionError` with Prometheus's words on an error."""
        return self._series("query", query=query, time=at)

    def over(self, query: str, start: float, end: float, step: float) -> list[Series]:
        """The answer over a time."""
        return self._series("query_range", query=query, start=start, end=end, step=step)

    def ask(self, what: str, **parameters: Any) -> Any:
        """``/api/v1/`` and the answer's data."""
        url = f"{self._url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - http, ours
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from None
        assert body["status"] == "success", body
        return body["data"]

    def _series(self, what: str, **parameters: Any) -> list[Series]:
        return [Series.of(result) for result in self.ask(what, **parameters)["result"]]


@contextmanager
def prometheus(program: str, folder: Path, target: str, every: str) -> Iterator[Prometheus]:
    """The shipped files, as they are but for the target and how often it is scraped."""
    shutil.copytree(SHIPPED, folder / "prometheus")
    (folder / "prometheus" / "targets" / "ecgmon.yml").write_text(json.dumps([{"targets": [target]}]))
    config = folder / "prometheus" / "prometheus.yml"
    text, changed = re.subn(
        r"(scrape_interval|scrape_timeout|evaluation_interval): \w+", rf"\1: {every}", config.read_text()
    )
    assert changed == 3
    config.write_text(text)
    port = free_port()
    command = [
        program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    log = folder / "prometheus.log"
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            _wait(process, f"http://127.0.0.1:{port}/-/ready", log)
            yield Prometheus(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - http, ours
                return
        except OSError:  # not listening yet, or 503
            time.sleep(0.1)
    raise AssertionError(f"prometheus does not become ready (exit {process.poll()}): {log.read_text()}")
