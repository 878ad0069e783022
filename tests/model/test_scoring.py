"""Scores: the same however batched and whatever the gain; high for anomalous beats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from msgspec import structs
from numpy.typing import NDArray

from ecgmon.commands.recordings import labelled
from ecgmon.ecg.types import R_INDEX, WINDOW, Beat, Layout
from ecgmon.errors import BundleError, EcgmonError
from ecgmon.model.autoencoders import (
    Architecture,
    Autoencoder,
    ConvLstmSettings,
    ConvSettings,
    LstmSettings,
    build,
)
from ecgmon.model.baseline import Baseline
from ecgmon.model.bundle import load
from ecgmon.model.dataset import RecordBeats
from ecgmon.model.judge import Judge, judge_records
from ecgmon.model.oddness import BELIEVED, GUESS, SD, ScoreSettings, advance, prepare
from ecgmon.model.parts import FIBRILLATING, QRS, REGIONS, K, earliness, measure, regularity
from ecgmon.model.population import fit_scoring, reference_pairs
from ecgmon.model.restorer import Restorer, TorchForward
from ecgmon.model.scoring import Scorer, population_of


@pytest.fixture(scope="module")
def record(mitdb: Path) -> RecordBeats:
    """MIT-BIH 119, a training record: sinus rhythm with ventricular beats in bigeminy."""
    return labelled(mitdb / "119")


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    torch.manual_seed(0)
    return Restorer(build(ConvSettings(channels=(4, 8), latent=4)), "cpu")


def scores(restorer: Restorer | None, beats: list[Beat], cut: int | None = None) -> NDArray[np.float64]:
    """Scores of one stream's beats, judged ``cut`` at a time."""
    judge, baseline = Judge(restorer, GUESS, "centred"), Baseline()
    step = cut or len(beats)
    found = []
    for first in range(0, len(beats), step):
        part = dict(judge.judge([(beat, baseline) for beat in beats[first : first + step]]))
        found += [part[i].score for i in range(len(part))]
    return np.array(found)


@pytest.mark.parametrize("cut", [1, 7, 50])
def test_scores_do_not_depend_on_how_beats_were_batched(
    restorer: Restorer, record: RecordBeats, cut: int
) -> None:
    beats = [beat for beat in record.beats if beat.good][:400]
    np.testing.assert_allclose(scores(restorer, beats, cut), scores(restorer, beats), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cut", [1, 7, 50])
def test_nor_when_a_second_reference_comes_or_the_baseline_starts_anew(record: RecordBeats, cut: int) -> None:
    """Three hundred normal beats, two hundred wide ones in time, then noise until nothing is accepted."""
    rng = np.random.default_rng(0)
    usual = [b for b, label in zip(record.beats, record.labels, strict=True) if b.good and label == "N"]
    wide = np.clip(np.arange(WINDOW) // 2 + R_INDEX // 2, 0, WINDOW - 1)
    beats = [structs.replace(beat, rr=0.8, rr_local=0.8) for beat in usual[:300]]
    beats += [structs.replace(beat, window=beat.window[wide], rr=0.8, rr_local=0.8) for beat in usual[:200]]
    noise = rng.normal(0, 1, (700, WINDOW)).astype(np.float32)
    beats += [structs.replace(usual[0], window=window, rr=0.8, rr_local=0.8) for window in noise]
    judge, baseline = Judge(None, GUESS, "centred"), Baseline()
    found = [dict(judge.judge([(beat, baseline)]))[0].score for beat in beats[:500]]
    assert baseline.references == 2
    found += [dict(judge.judge([(beat, baseline)]))[0].score for beat in beats[500:]]
    assert baseline.accepted < 200
    np.testing.assert_array_equal(scores(None, beats, cut), found)


def test_a_rhythm_without_any_change_has_statistics_all_the_same(record: RecordBeats) -> None:
    even = replace(record, beats=[structs.replace(beat, rr=0.8, rr_local=0.8) for beat in record.beats])
    assert fit_scoring(None, [even], "centred").parts[SD].min() > 0


def test_streams_side_by_side_do_not_touch_each_other(restorer: Restorer, record: RecordBeats) -> None:
    judge = Judge(restorer, GUESS, "centred")
    alone = judge_records(judge, [record])[0]
    together = judge_records(judge, [record, replace(record, beats=record.beats[:500]), record])
    for found in (together[0], together[2]):
        a = [np.nan if j is None else j.score for j in alone]
        b = [np.nan if j is None else j.score for j in found]
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gain", [0.2, 5.0])
def test_amplifier_gain_does_not_change_scores(restorer: Restorer, record: RecordBeats, gain: float) -> None:
    beats = [beat for beat in record.beats if beat.good][:200]
    louder = [
        structs.replace(beat, window=beat.window * np.float32(gain), scale=beat.scale * gain)
        for beat in beats
    ]
    np.testing.assert_allclose(scores(restorer, louder), scores(restorer, beats), rtol=1e-3, atol=1e-3)


def test_ventricular_beats_stand_out_without_any_training(record: RecordBeats) -> None:
    found = judge_records(Judge(None, GUESS, "centred"), [record])[0]
    normal = [
        j.score for j, label in zip(found, record.labels, strict=True) if j is not None and label == "N"
    ]
    odd = [j.score for j, label in zip(found, record.labels, strict=True) if j is not None and label == "V"]
    assert np.median(odd) > 2 * np.quantile(normal, 0.95)


def test_training_pairs_are_normal_beats_beside_their_reference(record: RecordBeats) -> None:
    (x, reference), *_ = reference_pairs([record], "centred")
    assert (
        len(x)
        == len(reference)
        == sum(beat.good and label == "N" for beat, label in zip(record.beats, record.labels, strict=True))
    )
    assert not reference[:8].any()
    qrs = (slice(200, None), slice(*REGIONS["centred"][1]))  # neighbours in the window come and go
    assert np.mean((x[qrs] - reference[qrs]) ** 2) < 0.1 * np.mean(x[qrs] ** 2)


def test_statistics_need_normal_beats(restorer: Restorer, record: RecordBeats) -> None:
    unknown = replace(record, labels=[""] * len(record.labels))
    with pytest.raises(EcgmonError, match="normal beats"):
        fit_scoring(restorer, [unknown], "centred")


def rms(x: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(x**2)))


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(load("default"), "cpu")


class TestDefaultBundle:
    """The model in the package, on a record that it was trained or calibrated on: it works at all."""

    def test_ventricular_beats_get_small_p_values(self, scorer: Scorer, record: RecordBeats) -> None:
        baseline = scorer.new_baseline()
        good = [(b, label) for b, label in zip(record.beats, record.labels, strict=True) if b.good]
        found = scorer.score([(beat, baseline) for beat, _ in good])
        p = {
            label: np.array([s.p_value for s, (_, other) in zip(found, good, strict=True) if other == label])
            for label in ("N", "V")
        }
        assert np.median(p["V"]) < 0.01 < np.median(p["N"])

    def test_a_score_says_what_was_odd_and_shows_the_reconstruction(
        self, scorer: Scorer, record: RecordBeats
    ) -> None:
        baseline = scorer.new_baseline()
        beats = [beat for beat in record.beats if beat.good][:300]
        found = scorer.score([(beat, baseline) for beat in beats])
        assert set(found[0].parts) == {"pre_qrs", "qrs", "st_t", "rhythm"}
        usual = [i for i, score in enumerate(found) if i > 100 and score.p_value > 0.2]
        # Where the score looks; beyond it neighbours come and go.
        span = slice(REGIONS["centred"].min(), REGIONS["centred"].max())
        seen = {i: beats[i].window[span] - np.median(beats[i].window) for i in usual}
        error = [rms(beats[i].window[span] - found[i].reconstruction[span]) for i in usual]
        typical = np.median(list(seen.values()), axis=0)
        from_typical = [rms(window - typical) for window in seen.values()]
        assert np.median(error) < 1.1 * np.median(from_typical)

    @pytest.mark.parametrize("name", ["119", "208"])
    def test_flags_are_those_of_the_plain_autoencoder(self, mitdb: Path, name: str) -> None:
        beats = [beat for beat in labelled(mitdb / name).beats if beat.good]
        fast, plain = Scorer(load("default"), "cpu"), Scorer(load("default"), "cpu")
        assert plain._judge is not None
        plain._judge.restorer = Plain(load("default").autoencoder())
        one, other = (
            scorer.score([(beat, baseline) for beat in beats])
            for scorer, baseline in ((fast, Baseline()), (plain, Baseline()))
        )
        for a, b in zip(one, other, strict=True):
            assert (a.odd, a.alarming) == (b.odd, b.alarming)
            assert a.score == pytest.approx(b.score, rel=1e-4, abs=1e-5)
            np.testing.assert_allclose(a.reconstruction, b.reconstruction, atol=1e-5)
        assert sum(score.odd for score in one) > 100

    def test_fewer_false_alerts_mean_a_stricter_threshold(self) -> None:
        bundle = load("default")
        strict = Scorer(bundle, "cpu", false_alerts_per_hour=0.1)
        loose = Scorer(bundle, "cpu", false_alerts_per_hour=10)
        assert strict.threshold < loose.threshold

    def test_a_beat_is_odd_at_one_threshold_and_alarming_at_a_stricter_one(self, record: RecordBeats) -> None:
        scorer = Scorer(load("default"), "cpu", false_alerts_per_hour=0.1)
        assert scorer.threshold < scorer.beat_threshold
        baseline = scorer.new_baseline()
        found = scorer.score([(beat, baseline) for beat in record.beats if beat.good])
        for score in found:
            assert score.odd == (score.p_value <= scorer.beat_threshold)
            assert score.alarming == (score.p_value <= scorer.threshold)
        assert any(score.odd and not score.alarming for score in found)
        assert any(score.alarming for score in found)

    def test_the_request_moves_the_threshold_of_alerts_and_beats_are_no_stricter(self) -> None:
        bundle = load("default")
        info = bundle.metadata.calibration
        assert info is not None
        scorers = [Scorer(bundle, "cpu", false_alerts_per_hour=rate) for rate in (0.1, 0.5, 5.0)]
        assert [s.beat_threshold for s in scorers[:2]] == [info.beat_threshold] * 2
        assert scorers[0].threshold < scorers[1].threshold < info.beat_threshold < scorers[2].threshold
        assert scorers[2].beat_threshold == scorers[2].threshold

    def test_nothing_to_score_gives_nothing(self, scorer: Scorer) -> None:
        assert scorer.score([]) == []

    def test_a_bundle_without_stream_calibration_cannot_score_streams(self, record: RecordBeats) -> None:
        bundle = load("default")
        bare = replace(bundle, metadata=msgspec.structs.replace(bundle.metadata, calibration=None))
        with pytest.raises(BundleError, match="cannot score streams"):
            Scorer(bare, "cpu").score([(record.beats[0], Baseline())])


class Plain(Restorer):
    """Restores with torch's modules."""

    def __init__(self, model: Autoencoder) -> None:
        super().__init__(model, "cpu")
        self._run = TorchForward(model, self.device)


@pytest.mark.parametrize("settings", [ConvSettings(), LstmSettings(), ConvLstmSettings()], ids=str)
@pytest.mark.parametrize("layout", ["centred", "kachuee"])
def test_scores_are_those_of_the_plain_autoencoder(
    settings: Architecture, layout: Layout, record: RecordBeats
) -> None:
    """Two streams, several beats of each at a time, from no reference to two; one window is not finite."""
    torch.manual_seed(0)
    model = build(settings)
    beats = [beat for beat in record.beats if beat.good][:700]
    beats[300] = structs.replace(beats[300], window=np.full_like(beats[300].window, np.nan))
    found = {}
    for restorer in (Restorer(model, "cpu"), Plain(model)):
        streams = (Baseline(), Baseline())
        items = [(beat, streams[i % 5 == 0]) for i, beat in enumerate(beats)]
        judged = dict(Judge(restorer, GUESS, layout).judge(items))
        found[type(restorer)] = np.array([judged[i].score for i in range(len(items))])
    assert np.isfinite(found[Plain]).all()
    np.testing.assert_allclose(found[Restorer], found[Plain], rtol=1e-4, atol=1e-5)


def test_a_round_scores_as_its_steps_do_one_by_one(restorer: Restorer, record: RecordBeats) -> None:
    """What the compiled runs do for all beats of a stream at once, written out."""
    beats = [beat for beat in record.beats if beat.good][:300]
    judge, baseline, rule = Judge(restorer, GUESS, "centred"), Baseline(), ScoreSettings().rule()
    found = dict(judge.judge([(beat, baseline) for beat in beats]))
    alone, complex_ = Baseline(), (int(REGIONS["centred"][QRS, 0]), int(REGIONS["centred"][QRS, 1]))
    for i, beat in enumerate(beats):
        x, raw, z = np.empty(WINDOW, np.float32), np.empty(K), np.empty(K)
        shift, which, _ = prepare(alone.state, beat.window, beat.scale, 3, complex_, x)
        reference = alone.reference(which) if alone.warm else np.zeros(WINDOW, np.float32)
        restored = restorer(x[None], reference[None])[0]
        if alone.warm:
            restored = reference + np.float32(BELIEVED) * (restored - reference)
        measure(x, restored, REGIONS["centred"], earliness(beat.rr, beat.rr_local, beat.irregularity), raw)
        excused = 1.0 - regularity(beat.irregularity, FIBRILLATING)
        score, plain = advance(
            alone.state, GUESS.parts, GUESS.level, rule, complex_, x, beat.rr, excused, raw, which, z
        )
        judged = found[i]
        assert (judged.score, judged.plain, judged.shift) == (score, plain, shift)
        for one, other in ((judged.x, x), (judged.restored, restored), (judged.reference, reference)):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(judged.raw, raw)
        np.testing.assert_array_equal(judged.z, z)
    assert baseline.to_bytes() == alone.to_bytes()


def test_millivolts_are_the_restored_shape_back_on_the_window(record: RecordBeats) -> None:
    bundle = load("default")
    scorer, beats = Scorer(bundle, "cpu"), [beat for beat in record.beats if beat.good][:100]
    baseline, other = scorer.new_baseline(), Baseline()
    told = scorer.score([(beat, baseline) for beat in beats])
    judge = Judge(Restorer(bundle.autoencoder(), "cpu"), population_of(bundle), "centred")
    for i, judged in judge.judge([(beat, other) for beat in beats]):
        gain, middle = np.float32(beats[i].scale), np.float32(np.median(beats[i].window))
        expected = np.roll(judged.restored, judged.shift) * gain + middle
        np.testing.assert_array_equal(told[i].reconstruction, expected)
        reference = told[i].reference
        assert (reference is None) != judged.warm
        if reference is not None:
            expected = np.roll(judged.reference, judged.shift) * gain + middle
            np.testing.assert_array_equal(reference, expected)
            assert reference.base is None  # else a kept beat would keep its batch


def test_a_score_brings_the_patients_usual_beat_in_millivolt(record: RecordBeats) -> None:
    pairs = [pair for pair in zip(record.beats, record.labels, strict=True) if pair[0].good][:200]
    beats = [beat for beat, _ in pairs]
    scorer = Scorer(load("default"), "cpu")
    baseline = scorer.new_baseline()
    references = [score.reference for score in scorer.score([(beat, baseline) for beat in beats])]
    assert references[:16] == [None] * 16
    for reference, (beat, label) in zip(references[100:], pairs[100:], strict=True):
        assert reference is not None
        assert reference.dtype == np.float32
        if label == "N":
            assert np.corrcoef(reference[60:140], beat.window[60:140])[0, 1] > 0.9
            assert np.ptp(reference[60:140]) == pytest.approx(np.ptp(beat.window[60:140]), rel=0.2)
