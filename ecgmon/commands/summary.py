"""What a calibration says, in lines that a person can read."""

from __future__ import annotations

from ecgmon.evaluation.table import columns
from ecgmon.model.calibration import ALERTS, CalibrationInfo
from ecgmon.model.realised import RealisedRate, Spread


def calibration_lines(info: CalibrationInfo | None) -> list[str]:
    """The calibration in short, and requested against realised, here and on patients held out; nothing for
    none."""
    if info is None:
        return []
    of = f"{info.patients} patients, " if info.patients else ""
    over = f", {info.hours:.1f} h" if info.hours else ""
    # The threshold of the best F-beta was chosen without regard to any rate.
    chosen = "of the best F-beta;" if info.requested is None else f"for {info.requested:.3g} {info.unit},"
    odd = f"beats are odd at p <= {info.odd_at:.3g}, alerts raised at " if info.unit == ALERTS else ""
    lines = [
        f"calibrated by {info.method} on {of}{info.beats} normal beats{over}",
        f"{odd}threshold p <= {info.threshold:.3g} {chosen} here {info.realised:.3g}"
        + (f" {info.unit}" if info.requested is None else ""),
        _how_held_out(info),
        "",
        *_requests(info),
    ]
    if info.held_out is not None and info.unit == ALERTS:
        lines += ["", *_promises(info.held_out.false_positives)]
    return lines


def _how_held_out(info: CalibrationInfo) -> str:
    held_out = info.held_out
    if held_out is not None:
        turns = "each" if held_out.groups == held_out.patients else f"in {held_out.groups} groups"
        return f"held out: {held_out.patients} patients, {turns} judged by what the others calibrate"
    if not info.patients:
        return "held out: nobody, for the data name no patients"
    if info.patients < 3:
        return f"held out: nobody, {info.patients} patient(s) are too few to leave any out"
    return (
        "held out: not known; calibrate again with this version, on three patients with normal beats at least"
    )


def _requests(info: CalibrationInfo) -> list[str]:
    """Each request: the threshold it gets, what that realised here, and on patients held out."""
    held = info.held_out
    rows = None if held is None else held.alerts if info.unit == ALERTS else held.false_positives
    known = {row.requested: row for row in rows or ()}
    table = [["requested", "here", *(SPREAD if known else ()), "threshold (p)"]]
    for row in info.table:
        cells = [f"{row.requested:.3g}", f"{row.realised:.3g}"]
        if known:
            cells += _held_out(known.get(row.requested))
        table.append([*cells, f"{row.threshold:.3g}"])
    return [f"    {info.unit}", *_indented(table)]


def _promises(rows: list[RealisedRate]) -> list[str]:
    """Each p-value: how many of the normal beats held out lie at or under it."""
    table = [["requested", *SPREAD], *([f"{row.requested:.3g}", *_held_out(row)] for row in rows)]
    return ["    share of the normal beats at or under p", *_indented(table)]


SPREAD = ["held out", "times", "patients: median", "quartiles", "most"]


def _held_out(row: RealisedRate | None) -> list[str]:
    if row is None or row.realised is None or row.ratio is None:
        return ["-"] * len(SPREAD)
    return [f"{row.realised:.3g}", f"{row.ratio:.2f}", *_spread(row.patients)]


def _spread(spread: Spread | None) -> list[str]:
    if spread is None:
        return ["-"] * 3
    low, high = spread.quartiles
    return [f"{spread.median:.3g}", f"{low:.3g} to {high:.3g}", f"{spread.max:.3g}"]


def _indented(table: list[list[str]]) -> list[str]:
    return [f"    {line}" for line in columns(table).splitlines()]
