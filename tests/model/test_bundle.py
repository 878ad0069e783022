from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from ecgmon.ecg.types import WINDOW
from ecgmon.errors import BundleError
from ecgmon.model import tensorfile
from ecgmon.model.bundle import Bundle, load
from ecgmon.model.scoring import population_of

MakeBundle = Callable[..., Bundle]


def test_bundle_comes_back_from_its_file(tmp_path: Path, make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    bundle.save(tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors", layout="centred")
    assert loaded.metadata == bundle.metadata
    assert (loaded.hash, loaded.name, loaded.ref) == (bundle.hash, bundle.name, bundle.ref)
    x = torch.linspace(-1, 1, WINDOW).repeat(3, 1)
    assert torch.equal(loaded.autoencoder()(x)[0], bundle.autoencoder()(x)[0])
    np.testing.assert_array_equal(loaded.part("scoring")["population"], np.ones((5, 4)))


def test_saving_twice_gives_the_same_bytes(tmp_path: Path, make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    bundle.save(tmp_path / "a")
    replace(bundle).save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_hash_changes_with_a_number_and_with_the_metadata(make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    tensors = dict(bundle.tensors)
    tensors["scoring.population"] = np.nextafter(tensors["scoring.population"].astype(np.float64), 2)
    assert replace(bundle, tensors=tensors).hash != bundle.hash
    assert (
        replace(bundle, metadata=msgspec.structs.replace(bundle.metadata, name="other")).hash != bundle.hash
    )


def test_bytes_flipped_anywhere_make_a_bundle_unusable(tmp_path: Path, make_bundle: MakeBundle) -> None:
    path = tmp_path / "model"
    make_bundle().save(path)
    data = path.read_bytes()
    for place in np.linspace(0, len(data) - 1, 300).astype(int):
        broken = bytearray(data)
        broken[place] ^= 0x10
        path.write_bytes(broken)
        with pytest.raises(BundleError, match=str(path)):
            load(path)


def test_bundle_of_another_layout_is_refused(tmp_path: Path, make_bundle: MakeBundle) -> None:
    make_bundle().save(tmp_path / "model")
    with pytest.raises(BundleError, match="layout 'centred', not 'kachuee'"):
        load(tmp_path / "model", layout="kachuee")


def test_bundle_of_another_frontend_is_refused(tmp_path: Path, make_bundle: MakeBundle) -> None:
    make_bundle(fingerprint_="0123").save(tmp_path / "model")
    with pytest.raises(BundleError, match="another frontend \\(0123"):
        load(tmp_path / "model")


def test_bundle_of_another_score_is_refused(tmp_path: Path, make_bundle: MakeBundle) -> None:
    make_bundle(scoring_="0123").save(tmp_path / "model")
    with pytest.raises(BundleError, match="another score \\(0123"):
        load(tmp_path / "model")


def _with_text(path: Path, bundle: Bundle, change: Callable[[dict[str, object]], object]) -> None:
    tree = json.loads(msgspec.json.encode(bundle.metadata))
    change(tree)
    path.write_bytes(tensorfile.pack(json.dumps(tree), bundle.tensors)[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: tree.update(schema="ecgmon.bundle/9"), "schema 'ecgmon.bundle/9'"),
        (lambda tree: tree.pop("schema"), "metadata"),
        (lambda tree: tree.update(architecture={"type": "conv", "kernel": 4}), "kernel 4 is even"),
        (lambda tree: tree.update(name="../../etc"), "metadata"),
        (lambda tree: tree.update(layout="round"), "metadata"),
    ],
)
def test_metadata_that_is_not_ours_is_refused(
    tmp_path: Path, make_bundle: MakeBundle, change: Callable[[dict[str, object]], object], message: str
) -> None:
    _with_text(tmp_path / "model", make_bundle(), change)
    with pytest.raises(BundleError, match=message):
        load(tmp_path / "model")


def test_bundle_with_weights_that_are_not_finite_is_refused(tmp_path: Path, make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    tensors = bundle.tensors | {"scoring.population": np.full((5, 4), np.nan)}
    replace(bundle, tensors=tensors).save(tmp_path / "model")
    with pytest.raises(BundleError, match=r"'scoring.population' holds values that are not finite"):
        load(tmp_path / "model")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="none: cannot be read \\(No such file or directory\\)"):
        load(tmp_path / "none")


@pytest.mark.parametrize("row", [1, 3])
def test_statistics_without_spread_are_refused(make_bundle: MakeBundle, row: int) -> None:
    bundle = make_bundle()
    population = np.ones((5, 4))
    assert population_of(bundle).parts.shape == (5, 4)
    population[row, 2] = 0.0
    with pytest.raises(BundleError, match="a spread or level that is not above 0"):
        population_of(replace(bundle, tensors=bundle.tensors | {"scoring.population": population}))


def test_a_level_of_nothing_is_refused(make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    with pytest.raises(BundleError, match="a spread or level that is not above 0"):
        population_of(replace(bundle, tensors=bundle.tensors | {"scoring.level": np.zeros(1)}))
