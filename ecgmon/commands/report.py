"""``evaluate --report``: gathers what the page shows while recordings are judged, and writes it."""

from __future__ import annotations

import argparse
import logging
import re
from pathlib import Path

import numpy as np

from ecgmon.commands.output import can_draw, writable_folder
from ecgmon.ecg.types import Layout, Samples
from ecgmon.errors import DataError, UsageError
from ecgmon.evaluation.report.assets import GENERATOR
from ecgmon.evaluation.report.examples import Example
from ecgmon.evaluation.report.material import Material
from ecgmon.evaluation.statistics import Evaluation
from ecgmon.evaluation.tally import BeatTally, Scored, Tally
from ecgmon.files import write_whole
from ecgmon.model.bundle import Bundle
from ecgmon.model.restorer import Restorer
from ecgmon.monitor.offline import StreamResult

log = logging.getLogger(__name__)

PAGE = "index.html"


def folder(text: str) -> Path:
    """The value of ``--report``; "" would be the folder that one happens to be in."""
    if not text.strip():
        raise argparse.ArgumentTypeError("'' names no folder")
    return Path(text)


class ReportFolder:
    """``--report DIR``: the page ``index.html`` and its pictures.

    Raises :class:`UsageError`, before any work, when ``folder`` cannot be written to, holds a page of
    somebody else's, or matplotlib is not installed.
    """

    def __init__(self, folder: Path) -> None:
        if not can_draw():
            raise UsageError(
                "--report draws with matplotlib, which is not here: pip install 'ecgmon[report]'"
            )
        self.folder = writable_folder(folder)
        self._older = _pictures_of(folder / PAGE)
        self._material = Material()

    def keep_free(self, target: Path) -> None:
        """Refuse a file ``target`` of somebody else that the report would replace, now or the next time:
        :class:`UsageError`."""
        here, there = self.folder.resolve(), target.resolve()
        if there == here:
            raise UsageError(f"{target}: --json names the folder of --report; name a file")
        name = there.name.lower()
        if there.parent == here and (name == PAGE or name.endswith(".png")):
            raise UsageError(f"{target}: --json names a file of the report in that folder; name another")

    def add_record(self, record: Scored, counted: Tally, result: StreamResult, layout: Layout) -> None:
        """Take a recording: how it was ``counted``, and the monitor's ``result`` behind ``record``."""

        def example(i: int) -> Example:
            beat, score = result.beats[i], result.scores[i]
            if score is None:
                raise RuntimeError("a beat without a score cannot be judged wrongly")
            return Example(
                record=record.name, place=_clock(beat.r), score=float(record.score[i]),
                p_value=score.p_value, parts=score.parts, window=beat.window,
                reconstruction=score.reconstruction, reference=score.reference, layout=layout,
            )  # fmt: skip

        self._material.add_record(record, counted, lead=result.lead, quality=result.quality, example=example)

    def add_windows(self, counted: BeatTally, x: Samples, bundle: Bundle) -> None:
        """Take ready windows ``x`` [n, 187], as they were ``counted``."""
        restorer = Restorer(bundle.autoencoder())

        def example(i: int) -> Example:
            window = x[i : i + 1]
            return Example(
                record="", place=f"row {i + 1}", score=float(counted.score[i]),
                p_value=float(counted.p[i]), parts={}, window=window[0],
                reconstruction=restorer(window, np.zeros_like(window))[0], layout=bundle.layout,
            )  # fmt: skip

        self._material.add_windows(counted, example)

    def write(self, result: Evaluation) -> None:
        """Draw and write everything, the page last; pictures that only an older page had are removed."""
        from ecgmon.evaluation.report.page import build  # noqa: PLC0415 - matplotlib is optional, and slow

        log.info("drawing the report")
        report = build(self._material, result)
        for picture in report.pictures:
            write_whole(self.folder / picture.file, picture.png)
        write_whole(self.folder / PAGE, report.html.encode())
        for name in self._older - {picture.file for picture in report.pictures}:
            try:
                (self.folder / name).unlink(missing_ok=True)
            except OSError as error:
                raise DataError(f"{self.folder / name}: cannot be removed ({error.strerror})") from None
        log.info("the report is %s", self.folder / PAGE)


def _pictures_of(page: Path) -> set[str]:
    """Files of the pictures that an older report in ``page`` names; none where there is no page."""
    try:
        text = page.read_text(encoding="utf-8")
    except FileNotFoundError:
        return set()
    except (OSError, UnicodeDecodeError):
        text = ""
    if f'<meta name="generator" content="{GENERATOR}">' not in text:
        raise UsageError(f"{page}: is no report of ecgmon, and is not overwritten; name another folder")
    return set(re.findall(r'<figure [^>]*data-png="([A-Za-z0-9.-]+\.png)"', text))


def _clock(t: float) -> str:
    """Minutes and seconds of stream time."""
    minutes, seconds = divmod(round(t, 1), 60)
    return f"{int(minutes)}:{seconds:04.1f}"
