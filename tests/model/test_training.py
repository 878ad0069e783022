from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.errors import BundleError, DataError, EcgmonError, UsageError
from ecgmon.model.augmentation import AugmentationSettings
from ecgmon.model.autoencoders import Architecture, Autoencoder, ConvSettings, LstmSettings
from ecgmon.model.dataset import Pairs
from ecgmon.model.epochs import History, TrainingSettings
from ecgmon.model.loss_curve import draw_loss_curve
from ecgmon.model.training import train
from ecgmon.model.weights import weights

CONV = ConvSettings(channels=(4, 8), latent=4, context=4, dropout=0.1, kl_weight=0.01)
LSTM = LstmSettings(hidden=8, latent=4, context=4, patch=16, dropout=0.1)
SETTINGS = TrainingSettings(epochs=5, batch=32, device="cpu")


class InterruptedHereError(Exception):
    """Stands for a crash between two epochs."""


@pytest.fixture(scope="module")
def pairs(make_windows: Callable[..., Samples]) -> Pairs:
    return Pairs(make_windows(150), make_windows(150, seed=7))


@pytest.fixture(scope="module")
def validation(make_windows: Callable[..., Samples]) -> Pairs:
    return Pairs(make_windows(40, seed=9), make_windows(40, seed=10))


def run(
    pairs: Pairs,
    validation: Pairs,
    architecture: Architecture = CONV,
    settings: TrainingSettings = SETTINGS,
    *,
    seed: int = 3,
    state: Path | None = None,
    resume: bool = False,
    after: Callable[[History], None] | None = None,
) -> tuple[Autoencoder, History]:
    return train(
        architecture, settings, pairs, validation, layout="centred", seed=seed, state=state, resume=resume,
        progress=False, after_epoch=after,
    )  # fmt: skip


def same(a: Autoencoder, b: Autoencoder) -> bool:
    left, right = weights(a), weights(b)
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("architecture", [CONV, LSTM], ids=["conv", "lstm"])
def test_the_same_seed_gives_the_same_weights(
    architecture: Architecture, pairs: Pairs, validation: Pairs
) -> None:
    (first, history), (second, again) = (run(pairs, validation, architecture) for _ in range(2))
    other, _ = run(pairs, validation, architecture, seed=4)
    assert same(first, second)
    assert history == again
    assert not same(first, other)


@pytest.mark.parametrize("architecture", [CONV, LSTM], ids=["conv", "lstm"])
@pytest.mark.parametrize("stop", [1, 3])
def test_a_resumed_training_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, architecture: Architecture, stop: int, pairs: Pairs, validation: Pairs
) -> None:
    def interrupt(history: History) -> None:
        if history.epochs == stop:
            raise InterruptedHereError

    state = tmp_path / "state"
    whole, course = run(pairs, validation, architecture)
    with pytest.raises(InterruptedHereError):
        run(pairs, validation, architecture, state=state, after=interrupt)
    torch.manual_seed(99)  # nothing outside may matter
    resumed, again = run(pairs, validation, architecture, state=state, resume=True)
    assert same(whole, resumed)
    assert again == course


def test_a_finished_training_resumes_to_its_result_without_another_epoch(
    tmp_path: Path, pairs: Pairs, validation: Pairs
) -> None:
    state = tmp_path / "state"
    first, _ = run(pairs, validation, state=state)
    epochs: list[History] = []
    second, _ = run(pairs, validation, state=state, resume=True, after=epochs.append)
    assert same(first, second)
    assert not epochs


def test_a_state_of_another_training_is_refused(tmp_path: Path, pairs: Pairs, validation: Pairs) -> None:
    state = tmp_path / "state"
    run(pairs, validation, state=state)
    with pytest.raises(EcgmonError, match="other settings or data"):
        run(pairs, validation, state=state, resume=True, seed=4)
    with pytest.raises(EcgmonError, match="other settings or data"):
        run(Pairs(pairs.x + 1, pairs.reference), validation, state=state, resume=True)


def test_a_damaged_state_is_refused(tmp_path: Path, pairs: Pairs, validation: Pairs) -> None:
    state = tmp_path / "state"
    run(pairs, validation, state=state)
    data = bytearray(state.read_bytes())
    data[len(data) // 2] ^= 1
    state.write_bytes(data)
    with pytest.raises(BundleError, match="damaged"):
        run(pairs, validation, state=state, resume=True)


def test_training_restores_windows_it_has_not_seen(
    make_windows: Callable[..., Samples], pairs: Pairs, validation: Pairs
) -> None:
    model, history = run(pairs, validation, settings=TrainingSettings(epochs=30, batch=16, device="cpu"))
    assert history.validation[history.best - 1] < 0.25 * history.validation[0]
    with torch.inference_mode():

        def error(x: Samples) -> float:
            tensor = torch.from_numpy(x)
            return float(
                (model(tensor, torch.from_numpy(validation.reference[: len(x)]))[0] - tensor).square().mean()
            )

        assert error(make_windows(30, seed=20, wide=True)) > 2 * error(make_windows(30, seed=20))


def test_the_best_epoch_is_kept_and_patience_ends_the_training(pairs: Pairs, validation: Pairs) -> None:
    # Targets that have nothing to do with what is learned soon stop to improve.
    noise = Pairs.alone(np.random.default_rng(0).standard_normal(validation.x.shape).astype(np.float32))
    model, history = run(
        pairs,
        noise,
        settings=TrainingSettings(
            epochs=60, batch=16, patience=2, device="cpu", augmentation=AugmentationSettings(odd=0)
        ),
    )
    assert history.epochs == history.best + 2 < 60
    assert history.validation[history.best - 1] == min(history.validation)
    with torch.inference_mode():
        x = torch.from_numpy(noise.x)
        loss = float((model(x, torch.zeros_like(x))[0] - x).square().mean())
    assert loss == pytest.approx(min(history.validation), rel=1e-5)


def test_a_loss_that_explodes_is_an_error_with_advice(validation: Pairs) -> None:
    huge = Pairs.alone(np.full((64, WINDOW), 1e30, np.float32))
    with pytest.raises(
        EcgmonError, match=r"epoch 1 is no number any more; lower training.learning_rate \(now 0.002\)"
    ):
        run(huge, validation)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.empty((0, WINDOW), np.float32), "no normal beat of good quality"),
        (np.full((3, WINDOW), np.nan, np.float32), "3 window\\(s\\) hold values that are not finite"),
        (np.zeros((3, 100), np.float32), "expected \\[n, 187\\]"),
    ],
)
def test_windows_that_cannot_be_learned_from_are_refused(x: Samples, message: str, validation: Pairs) -> None:
    with pytest.raises(DataError, match=f"training: .*{message}"):
        run(Pairs.alone(x), validation)


def test_torch_outside_is_left_as_it_was(pairs: Pairs, validation: Pairs) -> None:
    before = torch.get_rng_state()
    run(pairs, validation, settings=TrainingSettings(epochs=1, device="cpu"))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_without_a_device_is_refused(pairs: Pairs, validation: Pairs) -> None:
    with pytest.raises(UsageError, match="device 'cuda'"):
        run(pairs, validation, settings=TrainingSettings(device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("architecture", [CONV, LSTM], ids=["conv", "lstm"])
def test_cuda_training_is_reproducible(architecture: Architecture, pairs: Pairs, validation: Pairs) -> None:
    settings = TrainingSettings(epochs=3, batch=32, device="cuda")
    assert same(
        run(pairs, validation, architecture, settings)[0], run(pairs, validation, architecture, settings)[0]
    )


def test_loss_curve_is_a_picture(tmp_path: Path) -> None:
    draw_loss_curve(tmp_path / "new" / "curve.png", [3.0, 2.0, 1.0], [3.0, 2.0, 2.5], 2)
    assert (tmp_path / "new" / "curve.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "file").touch()
    with pytest.raises(EcgmonError, match="cannot be written"):
        draw_loss_curve(tmp_path / "file" / "curve.png", [1.0], [1.0], 1)
