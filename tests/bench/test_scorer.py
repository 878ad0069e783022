"""The scorer's bench: what fewer bits do to a score. Rates stand in the tests of the command."""

from __future__ import annotations

from ecgmon.bench.scorer import score_error


def test_fewer_bits_move_scores_the_more_the_fewer_they_are() -> None:
    assert score_error("cpu", "float32") == 0.0
    assert 1e-5 < score_error("cpu", "float16") < 0.02 < score_error("cpu", "bfloat16") < 0.5
