"""Others' detectors of R-peaks, each as its own documentation calls it; imported only when they run."""

# ruff: noqa: PLC0415 - heavy, optional, and only for those who ask for them

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]
Peaks = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Detector:
    """``find`` takes a signal [n], mV, and its rate, Hz, to the samples of its R-peaks."""

    name: str
    package: str
    find: Callable[[Signal, float], Peaks]

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None


def _sleepecg(signal: Signal, fs: float) -> Peaks:
    import sleepecg

    return np.asarray(sleepecg.detect_heartbeats(signal, fs, backend="c"), np.int64)


def _neurokit(signal: Signal, fs: float) -> Peaks:
    import neurokit2

    return _peaks(neurokit2.ecg_peaks(neurokit2.ecg_clean(signal, sampling_rate=fs), sampling_rate=fs))


def _hamilton(signal: Signal, fs: float) -> Peaks:
    import neurokit2

    cleaned = neurokit2.ecg_clean(signal, sampling_rate=fs, method="hamilton2002")
    return _peaks(neurokit2.ecg_peaks(cleaned, sampling_rate=fs, method="hamilton2002"))


def _peaks(found: tuple[object, dict[str, Peaks]]) -> Peaks:
    return np.asarray(found[1]["ECG_R_Peaks"], np.int64)


def _xqrs(signal: Signal, fs: float) -> Peaks:
    from wfdb import processing

    detector = processing.XQRS(sig=signal, fs=fs)
    detector.detect(verbose=False)
    return np.asarray(detector.qrs_inds, np.int64)


def _gqrs(signal: Signal, fs: float) -> Peaks:
    from wfdb import processing

    return np.asarray(processing.gqrs_detect(sig=signal, fs=fs), np.int64)


XQRS: Final = Detector("wfdb XQRS", "wfdb", _xqrs)
NEUROKIT: Final = Detector("NeuroKit2", "neurokit2", _neurokit)
DETECTORS: Final = (
    Detector("sleepecg (C)", "sleepecg", _sleepecg),
    NEUROKIT,
    Detector("Hamilton (NeuroKit2)", "neurokit2", _hamilton),
    XQRS,
    Detector("wfdb GQRS", "wfdb", _gqrs),
)
