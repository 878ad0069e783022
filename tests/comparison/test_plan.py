"""From a configuration to cells."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from ecgmon.comparison.cell import names_in
from ecgmon.comparison.plan import Plan, merged, plan, used
from ecgmon.comparison.settings import CompareSettings, convert
from ecgmon.errors import ConfigError
from ecgmon.model import oddness

Tree = dict[str, Any]


def settings(tree: Tree) -> CompareSettings:
    return convert(tree, "compare.yaml")


def planned(tree: Tree, table: str = "hash") -> Plan:
    said = settings(tree)
    return plan(said, dict.fromkeys(used(said, "compare.yaml"), table), "compare.yaml")


def names(found: Plan, experiment: str) -> list[str]:
    return [row.name for row in found.rows[experiment]]


def test_rows_are_the_product_of_the_axes_and_the_methods_beside(tree: Tree) -> None:
    tree["experiments"]["first"]["vary"].append({"": None, "noisy": {"noise": 0.1}})
    found = planned(tree)
    assert names(found, "first") == ["plain", "plain, noisy", "KL", "KL, noisy", "PCA"]
    noisy = found.rows["first"][3].cells[0].method
    assert msgspec.to_builtins(noisy)["noise"] == 0.1
    assert msgspec.to_builtins(noisy)["kl_weight"] == 0.1
    assert msgspec.to_builtins(noisy)["network"]["sizes"] == (8,)


def test_equal_cells_are_run_once(tree: Tree) -> None:
    found = planned(tree)
    assert [len(row.cells) for row in found.rows["first"]] == [2, 2, 2]
    assert [len(row.cells) for row in found.rows["second"]] == [2, 2]
    assert len(found.cells()) == 9
    assert len(found.cells(["first"])) == 6
    assert found.cells(["first"]).keys() <= found.cells().keys()


def test_a_fit_is_shared_by_all_that_is_read_off_it(tree: Tree) -> None:
    varied = {"augmentation": ["flip"], "draws": 2}
    tree["experiments"]["second"] |= {
        "thresholds": {"F1": {"type": "mad"}, "the same": {"type": "f-beta", "steps": 50}},
        "seeds": [0], "cross": True,
    }  # fmt: skip
    tree["experiments"]["second"]["methods"]["PCA"] = {
        **tree["experiments"]["second"]["methods"]["PCA"], "readings": {"score": varied, "plain": {}},
    }  # fmt: skip
    found = planned(tree)
    asked = found.rows["second"][0].cells[0]
    whole = found.fits[asked.fit]
    assert whole.fit == found.rows["first"][2].cells[0].fit
    assert list(whole.method.readings) == ["score", "score 2"]
    assert names_in(asked.method.readings, whole.method.readings) == {"score": "score 2", "plain": "score"}
    assert list(whole.thresholds) == ["F1", "F1 2"]
    assert names_in(asked.thresholds, whole.thresholds) == {"F1": "F1 2", "the same": "F1"}
    assert len(found.cells()) == 8


def test_seeds_that_are_named_twice_or_leave_folds_unused_are_refused(tree: Tree) -> None:
    tree["seeds"] = [0, 0]
    with pytest.raises(ConfigError, match="second 'PCA': seeds: one is named twice"):
        planned(tree)
    tree["seeds"], tree["folds"] = [0, 1], 3
    with pytest.raises(ConfigError, match="second 'PCA': seeds: 2 by turns leave some of the 3 folds"):
        planned(tree)


def test_another_scoring_code_is_another_cell_of_the_projects_own_model(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree["experiments"]["second"]["methods"] = {"ours": {"type": "ecgmon"}}
    before = {
        name: {cell.key for cell in planned(tree).cells([name]).values()} for name in ("first", "second")
    }
    monkeypatch.setattr(oddness, "DESIGN", "another")
    after = {
        name: {cell.key for cell in planned(tree).cells([name]).values()} for name in ("first", "second")
    }
    assert after["first"] == before["first"]
    assert not after["second"] & before["second"]


def test_seeds_go_with_folds_by_turns_or_each_with_each(tree: Tree) -> None:
    tree["seeds"] = [0, 1, 2]
    one = planned(tree).rows["second"][0].cells
    assert [(cell.seed, cell.fold) for cell in one] == [(0, 0), (1, 1), (2, 0)]
    tree["cross"] = True
    every = planned(tree).rows["second"][0].cells
    assert [(cell.seed, cell.fold) for cell in every] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]


def test_a_finished_model_is_scored_once(tree: Tree) -> None:
    tree["experiments"]["second"]["methods"]["ours"] = {"type": "ecgmon", "bundle": "default"}
    cells = planned(tree).rows["second"][-1].cells
    assert [(cell.seed, cell.fold) for cell in cells] == [(0, 0)]
    assert len(cells[0].model) > 64


def test_the_first_fits_of_all_rows_come_before_the_second_of_any(tree: Tree) -> None:
    found = planned(tree)
    turns = [[row.cells[i].fit for rows in found.rows.values() for row in rows] for i in range(2)]
    order = list(found.fits)
    assert max(order.index(fit) for fit in turns[0]) < min(
        order.index(fit) for fit in turns[1] if fit not in turns[0]
    )


def test_a_variant_may_change_what_is_drawn(tree: Tree) -> None:
    tree["experiments"]["first"]["vary"] = [{"": {}, "5 %": {"draw": {"contamination": 0.05}}}]
    assert [row.cells[0].draw.contamination for row in planned(tree).rows["first"]] == [0.0, 0.05, 0.0]


def test_another_type_begins_anew() -> None:
    base = {"network": {"type": "mlp", "sizes": [8]}, "epochs": 3}
    assert merged(base, {"network": {"type": "lstm"}}) == {"network": {"type": "lstm"}, "epochs": 3}
    assert merged(base, {"network": {"latent": 2}})["network"] == {"type": "mlp", "sizes": [8], "latent": 2}


def test_a_key_is_the_same_however_the_file_is_written(tree: Tree) -> None:
    keys = set(planned(tree).cells())
    other = copy.deepcopy(tree)
    other["experiments"] = dict(reversed(other["experiments"].items()))
    other["experiments"]["first"]["base"]["kl_weight"] = 0.0  # the default
    other["experiments"]["first"]["title"] = "Another title"
    other["workers"] = 2
    assert set(planned(other).cells()) == keys


def _thresholds(tree: Tree) -> None:
    tree["thresholds"]["F1"]["steps"] = 51


def _beta(tree: Tree) -> None:
    tree["beta"] = 0.5


def _beats(tree: Tree) -> None:
    tree["datasets"]["ward"]["max_beats_per_patient"] = 61


def _folds(tree: Tree) -> None:
    tree["folds"], tree["cross"] = 3, True


def _seeds(tree: Tree) -> None:
    tree["seeds"] = [7, 8]
    tree["experiments"]["first"]["seeds"] = [7]


@pytest.mark.parametrize("change", [_thresholds, _beta, _beats, _folds, _seeds])
def test_what_decides_a_result_is_in_its_key(tree: Tree, change: Any) -> None:
    before = set(planned(tree).cells())
    change(tree)
    assert not before & set(planned(tree).cells())


def test_other_beats_are_other_cells(tree: Tree) -> None:
    assert not set(planned(tree).cells()) & set(planned(tree, "other").cells())


def _wrong(tree: Tree, path: str, value: Any) -> Tree:
    *way, last = path.split(".")
    here = tree
    for key in way:
        here = here[key]
    here[last] = value
    return tree


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("experiments.first.dataset", "else", "there is no data set 'else'; datasets has ward"),
        ("experiments.first.vary", [{}], r"first.vary\[0\]: an axis without variants leaves no row"),
        ("experiments.first.vary", [{"a": {"noize": 1}}], "first 'a': unknown key 'noize'; did you mean"),
        ("experiments.first.vary", [{"PCA": {}}], "first 'PCA': two rows have this name"),
        ("experiments.first.base", {"type": "magic"}, "first 'plain': .*magic"),
        ("experiments.first.base.epochs", 0, "first 'plain': epochs: Expected `int` >= 1"),
        ("experiments.first.base.readings", {}, "first 'plain': readings: names none"),
        ("experiments.first.vary", [{"a": {"draw": {"prevalence": 2}}}], "first 'a' draw: prevalence"),
        ("experiments.first.vray", [], "experiments.first: unknown key 'vray'; did you mean 'vary'"),
        ("experiments.first", {"dataset": "ward"}, "experiments.first: has no rows"),
        ("experiments", {}, "experiments: .*length"),
        ("thresholds", {}, "thresholds: .*length"),
        ("seeds", [], "seeds: .*length"),
        ("folds", 1, "folds: Expected `int` >= 2"),
        ("experiments.second.methods.ours", {"type": "ecgmon", "readings": {"a": {"score": "l2"}}}, "one sc"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_one_line_that_says_where(
    tree: Tree, path: str, value: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        planned(_wrong(tree, path, value))
    assert str(caught.value).startswith("compare.yaml")
    assert "\n" not in str(caught.value)


def test_the_projects_own_model_wants_recordings_as_they_are(tree: Tree) -> None:
    tree["experiments"]["second"]["methods"]["ours"] = {"type": "ecgmon"}
    tree["experiments"]["second"]["draw"] = {"contamination": 0.1}
    with pytest.raises(ConfigError, match=r"'ours': draw.contamination: type ecgmon learns from whole"):
        planned(tree)
    tree["datasets"]["ward"] = {"type": "csv", "train": "a.csv", "test": "b.csv"}
    with pytest.raises(ConfigError, match="'ours': type ecgmon learns from recordings"):
        planned(tree)
