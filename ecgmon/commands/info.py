"""``ecgmon info``: what is in a model bundle."""

from __future__ import annotations

import argparse

import msgspec

from ecgmon.commands.summary import calibration_lines
from ecgmon.model import bundle as bundles
from ecgmon.model.bundle import Bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Say what a model bundle is: architecture, training data, calibration, hash."
    parser.add_argument("model", metavar="MODEL", help="a bundle, or 'default'")
    parser.add_argument("--json", action="store_true", help="all metadata as JSON")


def run(args: argparse.Namespace) -> int:
    bundle = bundles.load(args.model)
    if args.json:
        tree = {"hash": bundle.hash, "tensors": _shapes(bundle), **msgspec.to_builtins(bundle.metadata)}
        print(msgspec.json.format(msgspec.json.encode(tree), indent=2).decode())
        return 0
    print("\n".join(_lines(bundle)))
    return 0


def _shapes(bundle: Bundle) -> dict[str, str]:
    return {name: f"{tensor.dtype} {list(tensor.shape)}" for name, tensor in sorted(bundle.tensors.items())}


def _lines(bundle: Bundle) -> list[str]:
    m = bundle.metadata
    architecture = msgspec.to_builtins(m.architecture)
    sizes = ", ".join(f"{key} {value}" for key, value in architecture.items() if key != "type")
    numbers = sum(tensor.size for tensor in bundle.part("autoencoder").values())
    loss = m.training.validation_loss[m.training.best_epoch - 1]
    seed = m.training.seed
    folds = f", {m.data.folds} folds" if m.data.folds else ""
    lines = [
        f"model         {m.name}, made by ecgmon {m.version}",
        f"hash          {bundle.hash}",
        f"windows       {m.layout}, frontend {m.fingerprint}",
        f"autoencoder   {architecture['type']}, {numbers} parameters",
        f"              {sizes}",
        f"training      {m.training.epochs} epochs, best {m.training.best_epoch} ({loss:.5f}), seed {seed}",
        f"data          {m.data.source}, lead {m.data.lead or 'none'}, by {m.data.split_by}{folds}",
    ]
    if m.data.calibration_source:
        lines[-1] += f"; calibrated on {m.data.calibration_source}"
    for part in ("train", "validation", "calibration"):
        names = ", ".join(getattr(m.data, part))
        lines.append(
            f"  {part:<12}{getattr(m.data, part + '_beats')} beats" + (f" of {names}" if names else "")
        )
    for title, info in (("streams", m.calibration), ("single windows", m.window_calibration)):
        if info is not None:
            lines += ["", f"{title}:", *calibration_lines(info)]
    return lines
