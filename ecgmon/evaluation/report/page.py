"""The page: everything put together, in one file that needs no other."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from ecgmon import __version__
from ecgmon.evaluation.report.assets import GENERATOR, SCRIPT, STYLE_SHEET
from ecgmon.evaluation.report.beats import beat_picture
from ecgmon.evaluation.report.curves import (
    curves,
    low_roc_picture,
    pooled,
    precision_recall_picture,
    roc_picture,
)
from ecgmon.evaluation.report.material import Material
from ecgmon.evaluation.report.naming import free_name
from ecgmon.evaluation.report.overview import facts, origin, unseen
from ecgmon.evaluation.report.prose import (
    EC57,
    EXAMPLES,
    NOISE,
    PACED,
    PROMISES,
    RECORDS,
    TIMELINES,
    WINDOWS,
)
from ecgmon.evaluation.report.scores import scores_picture
from ecgmon.evaluation.report.style import Picture, properties
from ecgmon.evaluation.report.tables import ec57_tables, noise_table, promises_table, records_table
from ecgmon.evaluation.report.timeline import timeline_picture
from ecgmon.evaluation.statistics import Evaluation
from ecgmon.evaluation.table import added_noise

MOST_TIMELINES: Final = 100
"""Recordings whose timeline is drawn; a page of thousands could not be opened."""

SHOWN_GROUPS: Final = {
    "missed-V": "Missed: V", "missed-S": "Missed: S", "missed-F": "Missed: F", "missed-Q": "Missed: Q",
    "missed-?": "Missed: not normal", "false-N": "Wrongly flagged: normal beats",
    "false-none": "Wrongly flagged: where no beat is annotated",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """The page, and the pictures that are in it, as files."""

    html: str
    pictures: Sequence[Picture]


def build(material: Material, result: Evaluation) -> Report:
    """Draw everything and write the page. The same material gives the same bytes."""
    pictures: list[Picture] = []
    sections = [
        section
        for section in (
            _ranking(material, pictures),
            _noise(result),
            _records(result),
            _ec57(material),
            _examples(material, pictures),
            _timelines(material, pictures),
        )
        if section is not None
    ]
    title = f"ecgmon evaluation: {html.escape(str(result.model.get('name', 'model')))}"
    links = "".join(f'<a href="#{anchor}">{heading}</a>' for anchor, heading, _ in sections)
    body = "".join(f'<h2 id="{anchor}">{heading}</h2>{content}' for anchor, heading, content in sections)
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="generator" content="{GENERATOR}"><title>{title}</title>'
        f"<style>{properties()}{STYLE_SHEET}</style></head><body><main><h1>{title}</h1>"
        f"{origin(result)}<nav>{links}</nav>{facts(result)}{body}</main>"
        f"<footer><p>ecgmon {__version__}. Not a medical device: it finds unusual beats, it does not "
        "diagnose. Every picture is also a PNG file beside this page.</p></footer>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )
    return Report(page, pictures)


Section = tuple[str, str, str]
"""Anchor, heading and content."""


def _ranking(material: Material, pictures: list[Picture]) -> Section | None:
    beats, invented = pooled(material.beats)
    drawn = curves(beats)
    made = [roc_picture(drawn), low_roc_picture(drawn), precision_recall_picture(drawn)] if drawn else []
    if len(beats.score) or len(invented.score):
        made.append(scores_picture(beats, invented))
    pictures += made
    note = "" if drawn else "<p>There are no curves: the scored beats are all normal, or all anomalous.</p>"
    content = f'{note}<div class="pictures">{"".join(p.html() for p in made)}</div>'
    return "ranking", "Scores and thresholds", content


def _records(result: Evaluation) -> Section | None:
    if not result.records:
        return None
    return "records", "Recordings", RECORDS + records_table(result) + PROMISES + promises_table(result)


def _noise(result: Evaluation) -> Section | None:
    if isinstance(result.noise, msgspec.UnsetType):
        return None
    return "noise", f"Noise added: {html.escape(added_noise(result))}", NOISE + noise_table(result.noise)


def _ec57(material: Material) -> Section | None:
    if not material.rows:
        return None
    return "ec57", "Gross and average statistics (EC57)", EC57 + _paced(material) + ec57_tables(material.rows)


def _paced(material: Material) -> str:
    names = [html.escape(trace.name) for trace in material.traces if trace.paced]
    return PACED.format(names=", ".join(names)) if names else ""


def _examples(material: Material, pictures: list[Picture]) -> Section | None:
    parts = [EXAMPLES if material.traces else WINDOWS, unseen(material.beats)]
    names: set[str] = set()
    for key, heading in SHOWN_GROUPS.items():
        group = material.groups.get(key)
        if group is None:
            continue
        chosen = group.chosen(key)
        made = [beat_picture(free_name(names, key, e.record, e.place), e, why) for why, e in chosen]
        pictures += made
        parts.append(f"<h3>{heading} ({group.n}, {len(made)} shown)</h3>")
        parts.append(f'<div class="beats">{"".join(p.html() for p in made)}</div>')
    if not material.groups:
        parts.append("<p>The threshold misjudged no beat that was scored.</p>")
    return "beats", "Beats judged wrongly", "".join(parts)


def _timelines(material: Material, pictures: list[Picture]) -> Section | None:
    if not material.traces:
        return None
    names: set[str] = set()
    traces = material.traces[:MOST_TIMELINES]
    made = [timeline_picture(free_name(names, "timeline", trace.name), trace) for trace in traces]
    pictures += made
    left = len(material.traces) - len(made)
    note = f"<p>The first {len(made)} recordings; {left} more are in the tables only.</p>" if left else ""
    content = TIMELINES + note + "".join(p.html("timeline") for p in made)
    return "timelines", "Alerts over time", content
