"""The options ``--noise`` and ``--noise-data`` of ``evaluate``; the method stands in
:mod:`ecgmon.ecg.noise`."""

from __future__ import annotations

import argparse
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ecgmon.commands.recordings import naming
from ecgmon.ecg import noise
from ecgmon.ecg.resample import Signal
from ecgmon.errors import DataError, UsageError
from ecgmon.evaluation.reference import Reference
from ecgmon.sources.wfdb_record import Record

KINDS: Final = {"em": "electrode motion", "ma": "muscle artefact", "bw": "baseline wander"}
"""Records of the MIT-BIH Noise Stress Test Database."""

MOST_DECIBEL: Final = 100.0

QRS: Final = ("N", "S", "Q")
"""Classes of the beats that are measured: those that ``sigamp`` takes for normal (``map1`` of WFDB), which
are all but ventricular and fusion beats."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = ", ".join(f"{kind} ({text})" for kind, text in KINDS.items())
    parser.add_argument(
        "--noise", type=_levels, metavar="KIND:DB",
        help="noise stress test (Moody et al. 1984): after five minutes, two minutes with noise and two "
        f"without by turns, at this signal-to-noise ratio, such as em:6; several by comma; {kinds}",
    )  # fmt: skip
    parser.add_argument(
        "--noise-data", type=Path, metavar="FOLDER",
        help="folder of the noise records; default: nstdb beside DATA, or in the folder of ECGMON_DATA",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Noise:
    """One kind of noise: samples [k, n] in mV at ``fs`` Hz, and its root mean square [k]."""

    kind: str
    snr: float
    samples: Signal
    fs: float
    rms: Signal


class NoiseStress:
    """The noise that was asked for, read and measured.

    Raises :class:`UsageError` when its folder cannot be found and :class:`DataError` when its records cannot
    be used.
    """

    def __init__(self, levels: dict[str, float], folder: Path | None, data: Path) -> None:
        self._folder = _found(folder, data)
        self._noises = [_read(self._folder, kind, snr) for kind, snr in levels.items()]

    @classmethod
    def asked(cls, args: argparse.Namespace) -> NoiseStress | None:
        """What the command line asks for; None without ``--noise``."""
        if args.noise is None:
            if args.noise_data is not None:
                raise UsageError("--noise-data says where noise is; say which with --noise, such as em:6")
            return None
        return cls(args.noise, args.noise_data, args.data)

    def mixer(self, record: Path, truth: Reference) -> noise.Mixer:
        """What adds the noise to ``record``, calibrated by its annotated beats."""
        with naming(record):
            opened = Record(record)
            beats = truth.t[np.isin(truth.label, QRS)]
            amplitude = _amplitudes(opened, beats)
            parts = []
            for each in self._noises:
                gains = [
                    noise.gain(size, each.rms[lead % len(each.rms)], each.snr)
                    for lead, size in enumerate(amplitude)
                ]
                parts.append((noise.resampled(each.samples, each.fs, opened.fs), np.array(gains)))
            return noise.Mixer(opened.fs, parts)

    def describe(self) -> dict[str, Any]:
        """For ``data`` of the JSON."""
        return {
            "kinds": {each.kind: each.snr for each in self._noises},
            "path": str(self._folder),
            "protocol": {
                "name": "nst: Moody, Muldrow and Mark 1984",
                "clean_start_s": noise.CLEAN_START,
                "noisy_s": noise.PERIOD,
                "clean_s": noise.PERIOD,
            },
        }


def _levels(text: str) -> dict[str, float]:
    """``em:6`` or ``em:6,ma:12``: kind to signal-to-noise ratio in dB."""
    levels: dict[str, float] = {}
    for part in text.split(","):
        kind, colon, decibel = part.strip().partition(":")
        if kind not in KINDS:
            raise argparse.ArgumentTypeError(f"'{kind}' is no kind of noise; there are {', '.join(KINDS)}")
        try:
            level = float(decibel)
        except ValueError:
            level = math.nan
        if not colon or not abs(level) <= MOST_DECIBEL:
            raise argparse.ArgumentTypeError(
                f"'{part.strip()}': want {kind}:DB, a signal-to-noise ratio of -{MOST_DECIBEL:g} to "
                f"{MOST_DECIBEL:g} dB, such as {kind}:6"
            )
        if kind in levels:
            raise argparse.ArgumentTypeError(f"{kind} is asked for twice")
        levels[kind] = level
    return levels


def _found(folder: Path | None, data: Path) -> Path:
    """The folder of the noise records."""
    if folder is not None:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder; --noise-data names one of noise records")
        return folder
    named = os.environ.get("ECGMON_DATA")
    places = [Path(os.path.abspath(data)).parent / "nstdb"]  # noqa: PTH100 - resolve() would follow links
    places += [Path(named) / "nstdb"] if named else []
    for place in places:
        if place.is_dir():
            return place
    raise UsageError(
        f"--noise: no noise records in {' or '.join(map(str, places))}; name their folder with --noise-data, "
        "or fetch it: ecgmon download nstdb"
    )


def _read(folder: Path, kind: str, snr: float) -> _Noise:
    if not (folder / f"{kind}.hea").is_file():
        raise UsageError(f"{folder}: holds no noise record '{kind}'; --noise-data names a folder that does")
    path = folder / kind
    with naming(path):
        record = Record(path)
        samples = np.concatenate(list(record.blocks()), axis=1).astype(np.float64)
        if not np.isfinite(samples).all():
            raise DataError("samples are missing; noise must be whole")
        rms = np.array([noise.noise_rms(signal, record.fs) for signal in samples])
        if not (rms > 0).all():
            raise DataError("a signal without noise, or shorter than a second")
    return _Noise(kind, snr, samples, record.fs, rms)


def _amplitudes(record: Record, beats: Signal) -> list[float]:
    """QRS size of each lead, mV, reading no more of the record than it takes.

    A lead in which no beat can be measured gets 0, and with that no noise; :class:`DataError` when there is
    none at all.
    """
    last = beats[min(len(beats), noise.MOST) - 1] + 1.0 if len(beats) else 0.0
    blocks, known = [], 0
    for block in record.blocks():
        blocks.append(block)
        known += block.shape[1]
        if known >= last * record.fs:
            break
    x = np.concatenate(blocks, axis=1)
    sizes = [noise.qrs_amplitude(lead, record.fs, beats) for lead in x]
    if not np.nansum(sizes) > 0:
        raise DataError("no QRS complex to measure noise by: no annotated beat is whole")
    return [0.0 if math.isnan(size) else size for size in sizes]
