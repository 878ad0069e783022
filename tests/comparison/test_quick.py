"""All rows of a configuration in minutes, and the configuration that ships."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ecgmon.comparison.plan import plan, used
from ecgmon.comparison.quick import hasten
from ecgmon.comparison.settings import load
from tests.comparison.test_plan import Tree, names, planned, settings

ROOT = Path(__file__).resolve().parents[2]


def test_quick_keeps_every_row_and_cuts_the_rest(tree: Tree) -> None:
    tree["experiments"]["first"]["base"] |= {
        "epochs": 50,
        "readings": {"a": {"draws": 9, "augmentation": ["flip"]}},
    }
    tree["datasets"]["ward"]["max_test"] = None
    said = hasten(settings(tree))
    full = planned(tree)
    found = plan(said, {"ward": "hash"}, "compare.yaml", quick=True)
    for name in full.rows:
        assert names(found, name) == names(full, name)
        assert all(len(row.cells) == 1 for row in found.rows[name])
    cell = found.rows["first"][0].cells[0]
    method = msgspec.to_builtins(cell.method)
    assert method["epochs"] == 4
    assert method["readings"]["a"]["draws"] == 1
    assert cell.dataset.max_test == 4000


def test_the_shipped_configuration_has_all_that_is_to_be_compared() -> None:
    said = load(ROOT / "configs" / "compare.yaml")
    found = plan(said, dict.fromkeys(used(said, "file"), "hash"), "file")
    quick = plan(hasten(said), dict.fromkeys(used(said, "file"), "hash"), "file", quick=True)
    assert [[row.name for row in rows] for rows in quick.rows.values()] == [
        [row.name for row in rows] for rows in found.rows.values()
    ]
    trees = [msgspec.to_builtins(cell.method) for cell in found.cells().values()]
    networks = {tree["network"]["type"] for tree in trees if tree["type"] == "autoencoder"}
    assert networks == {"mlp", "lstm", "conv1d", "conv-lstm", "deep", "deep-conv"}
    assert {tree["detector"]["type"] for tree in trees if tree["type"] == "latent"} == {
        "one-class-svm", "isolation-forest", "deep-svdd",
    }  # fmt: skip
    classical = {
        (tree["detector"]["type"], tree["components"] is None)
        for tree in trees
        if tree["type"] == "classical"
    }
    assert len(classical) == 23
    assert len(names(found, "autoencoders")) == 6 * 2 * 2 + 5
    for name, experiment in said.experiments.items():
        assert set(experiment.reference) <= set(names(found, name))
    assert len({row.cells[0].fit for row in quick.rows["sweep-epochs"]}) == 5
    assert all(len(row.cells) >= 3 or "shipped" in row.name for rows in found.rows.values() for row in rows)
