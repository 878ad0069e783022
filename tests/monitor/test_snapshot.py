"""Living objects as plain values: to the bit and back, and nothing else comes in."""

from __future__ import annotations

import contextlib
import math
from collections import Counter, deque
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ecgmon.ecg.frontend import Frontend
from ecgmon.ecg.types import Beat, Layout, Quality, Score
from ecgmon.errors import DataError
from ecgmon.monitor import snapshot
from ecgmon.monitor.evidence import EpisodeFindings
from ecgmon.monitor.findings import Noted

ARRAYS = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_]),
    hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=5),
)
ATOMS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text() | st.binary()
KEYS = st.text().filter(lambda key: key != "~")
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(KEYS, inner)
    | st.lists(inner, max_size=3).map(lambda items: deque(items, maxlen=3)),
    max_leaves=12,
)  # fmt: skip


def there_and_back(value: Any) -> Any:
    return snapshot.from_plain(snapshot.decode(snapshot.encode(snapshot.to_plain(value))))


@given(VALUES)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    assert repr(there_and_back(value)) == repr(value)


@given(ARRAYS)
def test_arrays_come_back_to_the_bit(array: Any) -> None:
    again = there_and_back(array)
    assert (again.dtype, again.shape, again.tobytes()) == (array.dtype, array.shape, array.tobytes())
    again[...] = 0  # and can be written to


def test_values_of_ours_come_back() -> None:
    beat = Beat(1, 2.0, 3.0, np.arange(187, dtype=np.float32), 1.0, math.nan, math.nan, good=True)
    again = there_and_back(deque([(beat, Quality(3, noisy=True)), None], maxlen=4))
    assert again.maxlen == 4
    assert again[0][1] == Quality(3, noisy=True)
    assert again[0][0].window.tobytes() == beat.window.tobytes()
    assert math.isnan(again[0][0].rr)
    noted = there_and_back(Noted(1.0, 0.8, odd=True, shown={"pause": (2.0, 0.8)}))
    assert noted.shown == {"pause": (2.0, 0.8)}
    assert there_and_back(Counter(a=2)) == Counter(a=2)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_an_error_of_one_kind(raw: bytes) -> None:
    with contextlib.suppress(DataError):
        snapshot.decode(raw)


@pytest.mark.parametrize("tag", ["Frontend", "os.system", "Alert", ""])
def test_nothing_but_the_known_value_classes_is_made(tag: str) -> None:
    with pytest.raises(DataError, match="does not know"):
        snapshot.from_plain({"~": tag, "v": {}})


@pytest.mark.parametrize("value", [object(), {1: 2}, print, {"~": 1}])
def test_what_has_no_plain_form_is_an_error_and_no_silent_loss(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be saved"):
        snapshot.to_plain(value)


class Owner:
    """A component as a policy might be."""

    def __init__(self) -> None:
        self.count = 0
        self.last: float | None = None
        self.recent: deque[float] = deque(maxlen=3)
        self.ring = np.zeros(4)


Owner.__module__ = "ecgmon.tests"


def test_a_component_goes_on_where_it_stood() -> None:
    owner, again = Owner(), Owner()
    owner.count, owner.last = 3, 0.5
    owner.recent.extend([1.0, 2.0, 3.0, 4.0])
    owner.ring[2] = math.nan
    snapshot.restore(again, snapshot.decode(snapshot.encode(snapshot.save(owner))))
    assert (again.count, again.last, again.recent) == (3, 0.5, owner.recent)
    assert again.recent.maxlen == 3
    assert again.ring.tobytes() == owner.ring.tobytes()


@pytest.mark.parametrize(
    "change",
    [{"ring": np.zeros(5)}, {"ring": np.zeros(4, np.float32)}, {"count": "3"}, {"count": True},
     {"recent": [1.0]}, {"more": 1}],
)  # fmt: skip
def test_what_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    saved = snapshot.save(Owner()) | change
    with pytest.raises(DataError, match="stored Owner"):
        snapshot.restore(Owner(), saved)


def test_a_missing_part_is_refused() -> None:
    saved = snapshot.save(Owner())
    del saved["last"]
    with pytest.raises(DataError, match="other parts"):
        snapshot.restore(Owner(), saved)


def test_a_signal_path_is_some_ten_kilobytes() -> None:
    frontend = Frontend(360.0)
    frontend.feed(np.random.default_rng(0).normal(size=360 * 60).astype(np.float32))
    assert len(snapshot.encode(snapshot.save(frontend))) < 60_000


@pytest.mark.parametrize("layout", ["centred", "kachuee"])
def test_a_signal_path_goes_on_where_it_stood(layout: Layout) -> None:
    x = np.random.default_rng(1).normal(size=360 * 40).astype(np.float32)
    straight, stopped = Frontend(360.0, layout=layout), Frontend(360.0, layout=layout)
    for second in range(0, len(x), 360):
        again = Frontend(360.0, layout=layout)
        snapshot.restore(again, snapshot.decode(snapshot.encode(snapshot.save(stopped))))
        stopped = again
        a, b = straight.feed(x[second : second + 360]), stopped.feed(x[second : second + 360])
        assert repr(a) == repr(b)
    assert repr(straight.flush()) == repr(stopped.flush())


def test_a_beat_that_two_parts_of_the_findings_share_is_one_again() -> None:
    """What follows an early beat is added to that beat, which the findings hold twice."""
    window = np.zeros(187, np.float32)

    def told(*, saved: bool) -> str:
        findings, r = EpisodeFindings(8), 0.0
        findings.raised(0.0)
        for index, rr in enumerate([*[0.8] * 12, 0.5, 1.1, 0.8, 0.8]):
            r += rr
            odd = rr == 0.5
            if saved and index == 13:
                again = EpisodeFindings(8)
                snapshot.restore(again, snapshot.decode(snapshot.encode(snapshot.save(findings))))
                findings = again
            beat = Beat(index, r, r + 1.0, window, 1.0, rr, 0.8, good=True)
            findings.beat(beat, Score(1.0, 0.5, odd, odd, {}, window))
        return findings.told()[1]

    assert "compensatory" in told(saved=False)
    assert told(saved=True) == told(saved=False)
