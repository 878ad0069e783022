"""Debian's own Prometheus and Alertmanager, where they are installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest

PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "amtool": "prometheus-alertmanager",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "mosquitto": "mosquitto",
    "mosquitto_sub": "mosquitto-clients",
}


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Gives the path of a program, or skips, saying which package has it; fails where CI=true."""

    def find(name: str) -> str:
        path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if path is None:
            reason = f"{name} is not installed: apt install {PACKAGES[name]}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        return path

    return find
