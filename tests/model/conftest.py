"""Beats drawn from a few bumps, for tests that need no recording."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ecgmon.ecg.frontend import fingerprint
from ecgmon.ecg.types import R_INDEX, WINDOW, Beat, Samples
from ecgmon.model import oddness
from ecgmon.model.autoencoders import Architecture, ConvSettings, build
from ecgmon.model.bundle import Bundle, DataInfo, Metadata, TrainingInfo, assemble
from ecgmon.model.dataset import RecordBeats
from ecgmon.model.oddness import Population

MakeWindows = Callable[..., Samples]
MakeRecord = Callable[..., RecordBeats]
MakeBundle = Callable[..., Bundle]

SMALL: dict[str, Architecture] = {"conv": ConvSettings(channels=(4, 8), latent=4, context=4)}


def _windows(n: int, seed: int = 0, *, wide: bool = False) -> Samples:
    """[n, 187] P, QRS and T, each beat a little different; ``wide`` draws a QRS three times as long."""
    rng = np.random.default_rng(seed)
    t = (np.arange(WINDOW) - R_INDEX) / 125
    x = np.zeros((n, WINDOW))
    for height, at, width in ((0.12, -0.16, 0.02), (1.0, 0.0, 0.045 if wide else 0.015), (0.3, 0.25, 0.05)):
        heights = height * (1 + 0.1 * rng.standard_normal((n, 1)))
        places = at + 0.004 * rng.standard_normal((n, 1))
        x += heights * np.exp(-0.5 * ((t - places) / width) ** 2)
    return (x + 0.01 * rng.standard_normal(x.shape)).astype(np.float32)


def _record(patient: str, n: int = 500, seed: int = 0, every: int = 0) -> RecordBeats:
    """``n`` beats of a patient about 0.8 s apart; with ``every``, each that many is early and wide: V."""
    rng = np.random.default_rng([seed, *patient.encode()])
    odd = np.zeros(n, np.bool_) if not every else np.arange(n) % every == every - 1
    x = np.where(odd[:, np.newaxis], _windows(n, seed + 1, wide=True), _windows(n, seed))
    rr = np.where(odd, 0.5, 0.8) + 0.02 * rng.standard_normal(n)
    times = 1.0 + np.cumsum(rr)
    gain = 1 + 0.3 * rng.random()
    beats = [
        Beat(
            index=i,
            r=float(times[i]),
            ready=float(times[i]) + 1.0,
            window=(gain * x[i]).astype(np.float32),
            scale=gain,
            rr=float(rr[i]) if i else float("nan"),
            rr_local=0.8 if i >= 3 else float("nan"),
            good=True,
        )
        for i in range(n)
    ]
    return RecordBeats(patient, beats, ["V" if o else "N" for o in odd], float(times[-1]) / 3600)


def _bundle(name: str = "test", fingerprint_: str | None = None, scoring_: str | None = None) -> Bundle:
    """An untrained model in a valid bundle."""
    architecture = SMALL["conv"]
    metadata = Metadata(
        name=name,
        version="0",
        layout="centred",
        fingerprint=fingerprint_ or fingerprint(),
        scoring=scoring_ or oddness.fingerprint(),
        architecture=architecture,
        data=DataInfo(
            source="none",
            lead="0",
            split_by="patient",
            train_beats=0,
            validation_beats=0,
            calibration_beats=0,
        ),
        training=TrainingInfo(
            seed=0, epochs=1, best_epoch=1, train_loss=[1.0], validation_loss=[1.0], settings={}
        ),
    )
    return assemble(metadata, build(architecture), scoring=Population(np.ones((5, 4)), 1.0).tensors())


@pytest.fixture(scope="session")
def make_windows() -> MakeWindows:
    return _windows


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    return _record


@pytest.fixture(scope="session")
def make_bundle() -> MakeBundle:
    return _bundle
