"""A real Chromium, and real daemons for it to look at."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def refuse(reason: str) -> None:
    """Skip at home, fail where everything must run."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser, headless."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        refuse("no Chromium: apt install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        refuse("playwright is not installed: pip install playwright")
    with sync_playwright() as playwright:
        # As root, in a container, Chromium's own sandbox cannot be had.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: the folder of ECGMON_SHOTS, or one of this run."""
    named = os.environ.get("ECGMON_SHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("shots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Daemon:
    """``ecgmon serve`` on a configuration, as a process."""

    def __init__(self, folder: Path, **tree: Any) -> None:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/"
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "serve.yaml"
        http = {"port": self.port, **tree.pop("http", {})}
        tree.setdefault("sinks", [{"type": "console"}])
        tree.setdefault("model", {"device": "cpu"})
        self._config.write_text(yaml.safe_dump({**tree, "http": http}))
        self.log = folder / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "ecgmon.cli", "serve", "--config", str(self._config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"not ready:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=5) as answer:
            body: bytes = answer.read()
            return body

    def _ready(self) -> bool:
        try:
            return bool(self.get("readyz"))
        except (urllib.error.URLError, OSError):
            return False


@pytest.fixture
def new_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Starts daemons: by the keys of their configuration."""
    made: list[Daemon] = []

    def make(**tree: Any) -> Daemon:
        daemon = Daemon(tmp_path / f"daemon-{len(made)}", **tree)
        made.append(daemon)
        daemon.start()
        return daemon

    yield make
    for daemon in made:
        daemon.kill()


class Looker:
    """A page that watches itself: nothing may fail in it, and nothing may leave its origin."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self._origin = url.partition("#")[0]
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)

    def _on_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def until(self, expression: str, seconds: float = 20.0) -> None:
        """Wait until it is true. The page's own policy forbids what ``wait_for_function`` would do."""
        deadline = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, expression
            self.page.wait_for_timeout(50)

    def settled(self) -> None:
        """No complaint, and no request to elsewhere."""
        assert self.complaints == []
        assert [url for url in self.asked if not url.startswith(self._origin)] == []


@pytest.fixture
def look(chromium: Any) -> Iterator[Callable[..., Looker]]:
    """Opens the page in a browser context of its own."""
    made: list[Looker] = []

    def make(url: str, **options: Any) -> Looker:
        looker = Looker(chromium, url, **options)
        made.append(looker)
        return looker

    yield make
    for looker in made:
        looker.context.close()
