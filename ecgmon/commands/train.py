"""``ecgmon train``: learn from normal beats, calibrate on other patients, write one bundle."""

from __future__ import annotations

import argparse
import glob
import logging
import time
from pathlib import Path

from ecgmon import config
from ecgmon.commands.output import can_draw, writable_folder
from ecgmon.commands.recordings import folder_name, resolve
from ecgmon.commands.summary import calibration_lines
from ecgmon.commands.training_data import TrainSettings, read_recordings
from ecgmon.errors import ConfigError, UsageError
from ecgmon.model.fitting import Fitted, Origin, Resume, fit_recordings, fit_windows
from ecgmon.sources.windows import read_windows

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train an autoencoder on normal beats, calibrate it on patients that training did not see, and write "
        "one bundle; the loss curve goes beside it as a picture. The same seed and data give the same bundle."
    )
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="YAML; see configs/train.yaml"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the bundle to write")
    parser.add_argument("--data", metavar="DATA", help="instead of the configuration's data")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted training")


def run(args: argparse.Namespace) -> int:
    settings = config.load(args.config, TrainSettings)
    data = Path(args.data or settings.data)
    out: Path = args.out
    if out.is_dir():
        raise UsageError(f"{out}: is a folder; --out names a file, such as {out / 'model.safetensors'}")
    writable_folder(out.parent)
    state = out.with_name(f"{out.name}.training")
    resume = Resume(state, go_on=args.resume)
    if args.resume and not _states(state):
        log.warning("%s: no interrupted training to go on with; starting from the beginning", state)
    started = time.monotonic()
    if data.is_file():
        fitted = _from_windows(data, settings, args.config, resume)
    elif data.is_dir():
        records = read_recordings(resolve(data, settings.records), data, settings, args.config)
        fitted = fit_recordings(records, settings, Origin(folder_name(data), settings.lead), resume)
    else:
        raise UsageError(f"{data}: no such file or folder; data names WFDB records or a CSV of windows")
    fitted.bundle.save(out)
    curve = _loss_curve(fitted, out.with_suffix(".loss.png"))
    for finished in _states(state):
        finished.unlink(missing_ok=True)
    _report(fitted, out, curve, time.monotonic() - started)
    return 0


def _states(state: Path) -> list[Path]:
    """The files of an interrupted training that are there: its own, and one for each of its folds."""
    folds = state.parent.glob(f"{glob.escape(state.name)}.fold*")
    return [path for path in (state, *folds) if path.exists()]


def _from_windows(data: Path, settings: TrainSettings, where: Path, resume: Resume) -> Fitted:
    if settings.layout != "kachuee":
        raise ConfigError(
            f"{where}: layout: a CSV of ready windows has the layout 'kachuee', not '{settings.layout}'"
        )
    if settings.records is not None:
        raise ConfigError(f"{where}: records: {data} is a file of ready windows and names no records")
    windows = read_windows(data)
    return fit_windows(windows.x, windows.labels, settings, Origin(data.name, ""), resume)


def _loss_curve(fitted: Fitted, path: Path) -> str:
    """Draw it, and say where it is; or why it is not."""
    if not can_draw():
        return "no curve without matplotlib (pip install 'ecgmon[report]')"
    from ecgmon.model.loss_curve import draw_loss_curve  # noqa: PLC0415 - matplotlib is optional

    history = fitted.history
    draw_loss_curve(path, history.train, history.validation, history.best)
    return f"curve in {path}"


def _report(fitted: Fitted, out: Path, curve: str, seconds: float) -> None:
    metadata, history = fitted.bundle.metadata, fitted.history
    print(
        f"trained   {metadata.name}: {history.epochs} epochs, the best {history.best}, {seconds:.0f} s in all"
    )
    print(f"loss      {history.validation[history.best - 1]:.5f} on validation; {curve}")
    for line in calibration_lines(metadata.calibration or metadata.window_calibration):
        print(line)
    print(f"bundle    {out} ({fitted.bundle.hash[:12]})")
