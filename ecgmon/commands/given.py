"""``evaluate --model``: one finished model on all recordings."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgmon.commands.recordings import BeatsFrom, trained_on
from ecgmon.commands.scored_records import stream_bundle
from ecgmon.errors import UsageError
from ecgmon.evaluation.tally import Scored
from ecgmon.model.bundle import Bundle

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GivenModel:
    """The counterpart of :class:`ecgmon.commands.folds.CrossValidation`, with nothing to train."""

    path: str
    bundle: Bundle
    records: Sequence[Path]
    seen: list[str]
    lead: str
    beats: BeatsFrom

    def parts(self) -> Iterator[tuple[Bundle, Sequence[Path]]]:
        """Models, and the recordings that each is measured on."""
        yield self.bundle, self.records

    def comparable(self, found: Scored) -> Scored:
        """``found`` with scores that can be ranked against those of other parts: there are none."""
        return found

    def model(self) -> dict[str, Any]:
        """What is measured, for the results."""
        return described_model(self.bundle, self.path)

    def described(self) -> dict[str, Any]:
        """What there is to say of the recordings, for the results."""
        return {"seen_in_training": self.seen}


def prepare(args: argparse.Namespace, records: Sequence[Path]) -> GivenModel:
    """The model of ``--model``; :class:`BundleError` for one that cannot judge recordings."""
    if args.config is not None:
        raise UsageError(f"--config {args.config}: says what --folds trains, and --model is trained already")
    bundle = stream_bundle(args.model)
    seen = trained_on(bundle.metadata.data, args.data, records)
    if seen:
        log.warning(
            "the model was trained on patients of %s: figures there are better than those of new patients",
            ", ".join(seen),
        )
    return GivenModel(args.model, bundle, records, seen, args.lead or "0", args.beats or "own")


def described_model(bundle: Bundle, path: str) -> dict[str, Any]:
    """A bundle, for the results."""
    return {"path": path, "name": bundle.name, "hash": bundle.hash, "layout": bundle.layout}
