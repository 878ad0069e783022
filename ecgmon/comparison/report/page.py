"""The page: all experiments in one file that needs no other, and the pictures as files beside it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ecgmon import __version__
from ecgmon.comparison.report.augmentation import augmentation_picture
from ecgmon.comparison.report.confusion import confusion_picture
from ecgmon.comparison.report.distributions import distributions_picture
from ecgmon.comparison.report.dots import auroc_picture, decisions_picture
from ecgmon.comparison.report.figures import Row, labels, read_rows, rows, variants
from ecgmon.comparison.report.latent import latent_picture
from ecgmon.comparison.report.losses import losses_picture
from ecgmon.comparison.report.material import Cell, Experiment, Kind
from ecgmon.comparison.report.prose import PAGE, RESTORED, TABLE
from ecgmon.comparison.report.restored import restored_picture, restorers
from ecgmon.comparison.report.roc import roc_picture
from ecgmon.comparison.report.sweep import sweep_picture
from ecgmon.comparison.report.tables import html_table, shown
from ecgmon.evaluation.report.assets import SCRIPT, STYLE_SHEET
from ecgmon.evaluation.report.naming import free_name
from ecgmon.evaluation.report.style import Picture, properties

GENERATOR: Final = "ecgmon compare"
"""What the page says it was made by; only such a page is ever replaced."""

PAGE_FILE: Final = "index.html"

FOLDER: Final = "pictures"

MOST_RESTORED: Final = 8
"""Methods of an experiment whose restored windows are drawn, the first of the table."""

STYLE: Final = """
section.experiment figure{margin:.6rem 0 1.4rem}
td strong{font-weight:700}
ol.contents{columns:22rem;padding-left:1.4rem}
ol.contents small{color:var(--muted)}
"""

DRAWN: Final[dict[Kind, tuple[str, ...]]] = {
    "table": ("auroc", "roc", "distributions", "confusion", "losses", "restored", "latent"),
    "scores": ("auroc", "roc", "distributions", "confusion"),
    "thresholds": ("decisions", "distributions", "confusion"),
    "augmentation": ("augmentation", "losses"),
    "sweep": ("sweep", "losses"),
}
"""What is drawn of each kind of experiment, in this order."""


@dataclass(frozen=True, slots=True)
class Report:
    """The page, and the pictures that are in it."""

    html: str
    pictures: Sequence[Picture]

    def files(self) -> dict[str, bytes]:
        """Path within the report's folder to content, the page last."""
        return {f"{FOLDER}/{picture.file}": picture.png for picture in self.pictures} | {
            PAGE_FILE: self.html.encode()
        }


def build(
    experiments: Sequence[Experiment], title: str = "ecgmon: methods compared", note: str = ""
) -> Report:
    """Draw everything and write the page. The same experiments give the same bytes.

    ``note`` is plain text that stands above the contents, such as what was run and how long it took.
    """
    pictures: list[Picture] = []
    anchors: set[str] = set()
    names: set[str] = set()
    named = [(free_name(anchors, "experiment", experiment.name), experiment) for experiment in experiments]
    body = "".join(_section(anchor, experiment, pictures, names) for anchor, experiment in named)
    heading = html.escape(" ".join(title.split()))
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="generator" content="{GENERATOR}"><title>{heading}</title>'
        f"<style>{properties()}{STYLE_SHEET}{STYLE}</style></head><body><main><h1>{heading}</h1>"
        f"{_paragraphs(note)}{PAGE}{TABLE}{_contents(named)}{body}</main>"
        f"<footer><p>ecgmon {__version__}. Not a medical device: it finds unusual beats, it does not "
        f"diagnose. Every picture is also a PNG file in the folder <code>{FOLDER}</code> beside this "
        "page.</p></footer>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )
    return Report(page, pictures)


def _contents(named: Iterable[tuple[str, Experiment]]) -> str:
    items = "".join(
        f'<li><a href="#{anchor}">{html.escape(experiment.title)}</a> '
        f"<small>{html.escape(_winner(experiment))}</small></li>"
        for anchor, experiment in named
    )
    return (
        '<nav aria-label="Contents"><h2>Contents</h2><p class="note">With the row that ranks best on the '
        "validation, which is how one would choose, and its AUROC on the test.</p>"
        f'<ol class="contents">{items}</ol></nav>'
    )


def _winner(experiment: Experiment) -> str:
    """Chosen by the validation: the best of the test would look better than it is."""
    reads = read_rows(rows(experiment))
    known = {i: at for i, row in enumerate(reads) if (at := row.figures["validation_auroc"].mean) is not None}
    if not known:
        return "nothing to rank"
    top = max(known, key=lambda i: (known[i], -i))
    return f"{labels(reads, threshold=False)[top]}: {shown(reads[top].figures['auroc'], 'rate')}"


def _section(anchor: str, experiment: Experiment, pictures: list[Picture], names: set[str]) -> str:
    """The section of one experiment; what is drawn is added to ``pictures``, and its file to ``names``."""
    found = rows(experiment)
    parts = [f'<section class="experiment"><h2 id="{anchor}">{html.escape(experiment.title)}</h2>']
    parts.append(_paragraphs(experiment.note))
    parts.append(f"<p>{html.escape(_origin(experiment))}</p>")
    if found:
        parts.append(html_table(experiment))
    for what in DRAWN[experiment.kind] if found else ():
        for picture in _drawn(what, experiment.name, found, names):
            if what == "restored" and RESTORED not in parts:
                parts.append(RESTORED)
            pictures.append(picture)
            parts.append(picture.html("timeline"))
    return "".join([*parts, "</section>"])


def _drawn(what: str, experiment: str, found: Sequence[Row], names: set[str]) -> list[Picture]:
    """The pictures of one kind, none where there is nothing to draw."""
    reads, those = read_rows(found), variants(found)
    if what == "restored":
        some = restorers(those)[:MOST_RESTORED]
        every = [restored_picture(free_name(names, experiment, what, v.name), v) for v in some]
        return [picture for picture in every if picture is not None]
    name = free_name(names, experiment, what)
    made = {
        "auroc": lambda: auroc_picture(name, reads),
        "roc": lambda: roc_picture(name, reads),
        "distributions": lambda: distributions_picture(name, found),
        "confusion": lambda: confusion_picture(name, found),
        "losses": lambda: losses_picture(name, those),
        "latent": lambda: latent_picture(name, those),
        "decisions": lambda: decisions_picture(name, found),
        "augmentation": lambda: augmentation_picture(name, reads),
        "sweep": lambda: sweep_picture(name, found),
    }[what]()
    return [] if made is None else [made]


def _origin(experiment: Experiment) -> str:
    """How many fits, on how many test windows, and how long they took."""
    cells: list[Cell] = [cell for variant in experiment.variants for cell in variant.cells]
    failed = f" {experiment.failed} more failed and are in no figure." if experiment.failed else ""
    if not cells:
        return f"No fit is finished.{failed}"
    seconds = sum(cell.result.train_seconds or 0.0 for cell in cells)
    tests = {tuple(sorted(cell.result.n_test.items())) for cell in cells}
    windows = ", ".join(f"{n} {label}" for label, n in sorted(next(iter(tests)))) if len(tests) == 1 else ""
    n_train = sorted({n for cell in cells if (n := cell.result.n_train) is not None})
    learned = f"{n_train[0]}" if len(n_train) == 1 else f"{n_train[0]} to {n_train[-1]}" if n_train else "-"
    return (
        f"{len(cells)} fits of {len(experiment.variants)} variants, trained for {_time(seconds)} in all; "
        "each learned "
        f"from {learned} windows."
        + (f" Test windows by class: {windows}." if windows else "")
        + _left_out(experiment)
        + failed
    )


def _left_out(experiment: Experiment) -> str:
    reasons = [
        f"{reason}: " + ", ".join(f"{n} {label}" for label, n in classes.items())
        for reason, classes in experiment.left_out.items()
    ]
    return f" Beats of these recordings that are not tested: {'; '.join(reasons)}." if reasons else ""


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n") if part.strip())
