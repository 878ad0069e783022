"""Quantiles between two pages of metrics."""

from __future__ import annotations

import math

import pytest

from ecgmon.bench.scrape import Page, quantile

EARLY = """# HELP l of what
# TYPE l histogram
l_bucket{le="0.05",stage="beat"} 10.0
l_bucket{le="0.1",stage="beat"} 10.0
l_bucket{le="+Inf",stage="beat"} 10.0
l_bucket{le="+Inf",stage="alert"} 3.0
drops_total{reason="late",stage="pipeline"} 2.0
drops_total{reason="repeat",stage="pipeline"} 3.0
drops_totally 7.0
"""
LATE = EARLY.replace('0.1",stage="beat"} 10.0', '0.1",stage="beat"} 110.0').replace(
    '+Inf",stage="beat"} 10.0', '+Inf",stage="beat"} 111.0'
)


def test_series_are_read_and_added_up_by_name() -> None:
    page = Page.parse(EARLY)
    assert page.total("drops_total") == 5.0
    assert page.value("drops_totally") == 7.0
    assert page.value("nothing") == 0.0
    assert page.buckets("l", 'stage="beat"') == {0.05: 10.0, 0.1: 10.0, math.inf: 10.0}


def test_only_what_came_between_the_pages_counts() -> None:
    early, late = (Page.parse(text).buckets("l", 'stage="beat"') for text in (EARLY, LATE))
    middle = quantile(early, late, 0.5)
    assert (middle.above, middle.at_most) == (0.05, 0.1)
    assert middle.value == pytest.approx(0.05 + 0.05 * 50.5 / 100)


def test_beyond_the_last_bound_only_that_bound_is_known() -> None:
    early, late = (Page.parse(text).buckets("l", 'stage="beat"') for text in (EARLY, LATE))
    last = quantile(early, late, 0.999)
    assert (last.value, last.above, last.at_most) == (0.1, 0.1, math.inf)


def test_without_observations_nothing_is_known() -> None:
    counts = Page.parse(EARLY).buckets("l", 'stage="beat"')
    assert math.isnan(quantile(counts, counts, 0.5).value)
    assert math.isnan(quantile({}, {}, 0.5).value)
