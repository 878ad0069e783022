"""What a calibration says, in lines that a person can read."""

from __future__ import annotations

from ecgmon.model.calibration import CalibrationInfo


def calibration_lines(info: CalibrationInfo | None) -> list[str]:
    """The calibration in short, and its table of requested against realised; nothing for none."""
    if info is None:
        return []
    of = f"{info.patients} patients, " if info.patients else ""
    over = f", {info.hours:.1f} h" if info.hours else ""
    unit = info.unit
    # The threshold of the best F-beta was chosen without regard to any rate.
    chosen = "of the best F-beta;" if info.requested is None else f"for {info.requested:.3g} {unit},"
    lines = [
        f"calibrated by {info.method} on {of}{info.beats} normal beats{over}",
        f"threshold p <= {info.threshold:.3g} {chosen} here {info.realised:.3g}"
        + (f" {unit}" if info.requested is None else ""),
        f"    {'requested':>9}  {'realised':>9}  threshold (p), {unit}",
    ]
    lines += [f"    {row.requested:9.3g}  {row.realised:9.3g}  {row.threshold:.3g}" for row in info.table]
    return lines
