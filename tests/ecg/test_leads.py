from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ecgmon.ecg.leads import LeadSelector
from ecgmon.errors import DataError

Heart = Callable[..., Any]


@pytest.mark.parametrize(("wanted", "row"), [("V5", 1), ("v5", 1), ("0", 0), ("MLII", 0), ("1", 1)])
def test_a_lead_is_chosen_by_name_or_index(wanted: str, row: int) -> None:
    selector = LeadSelector(wanted, 360.0, ("MLII", "V5"))
    samples = np.arange(10, dtype=np.float32).reshape(2, 5)
    assert selector.lead == ("MLII", "V5")[row]
    assert np.array_equal(selector.feed(samples), samples[row])


@pytest.mark.parametrize("wanted", ["V6", "2", "-1", "", "²"])
def test_an_unknown_lead_is_refused_with_the_list(wanted: str) -> None:
    with pytest.raises(DataError, match="0 MLII, 1 V5"):
        LeadSelector(wanted, 360.0, ("MLII", "V5"))


@pytest.mark.parametrize("bad", ["noise", "flat", "missing"])
@pytest.mark.parametrize("good_row", [0, 1])
def test_auto_takes_the_better_lead_and_loses_no_sample(heart: Heart, bad: str, good_row: int) -> None:
    x, _ = heart(250.0, 15.0)
    rng = np.random.default_rng(0)
    worse = {
        "noise": (x + 0.5 * rng.standard_normal(len(x))).astype(np.float32),
        "flat": np.full_like(x, 1.5),
        "missing": np.full_like(x, np.nan),
    }[bad]
    samples = np.stack((x, worse) if good_row == 0 else (worse, x))
    selector = LeadSelector("auto", 250.0, ("A", "B"))
    parts = [selector.feed(samples[:, i : i + 100]) for i in range(0, samples.shape[1], 100)]
    assert selector.lead == "AB"[good_row]
    assert all(len(part) == 0 for part in parts[:24])
    assert np.array_equal(np.concatenate([*parts, selector.flush()]), x)


def test_auto_keeps_the_first_lead_when_both_are_good(heart: Heart) -> None:
    x, _ = heart(250.0, 15.0)
    selector = LeadSelector("auto", 250.0, ("A", "B"))
    hum = 0.05 * np.random.default_rng(0).standard_normal(len(x))
    selector.feed(np.stack(((x + hum).astype(np.float32), 3 * x)))
    assert selector.lead == "A"


def test_a_short_stream_is_chosen_from_at_its_end(heart: Heart) -> None:
    x, _ = heart(250.0, 4.0)
    selector = LeadSelector("auto", 250.0, ("A", "B"))
    assert len(selector.feed(np.stack((np.zeros_like(x), x)))) == 0
    assert selector.lead is None
    assert np.array_equal(selector.flush(), x)
    assert selector.lead == "B"


def test_the_number_of_leads_must_stay() -> None:
    with pytest.raises(DataError, match="2 leads"):
        LeadSelector("0", 360.0, ("A", "B")).feed(np.zeros((3, 4), np.float32))
