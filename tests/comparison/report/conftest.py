"""The small comparison, drawn once."""

from __future__ import annotations

import pytest

from ecgmon.comparison.report.page import Report, build
from tests.comparison.report.made import everything


@pytest.fixture(scope="session")
def report() -> Report:
    return build(everything(), note="Quick run.\n\nTwo seeds & one fold.")
