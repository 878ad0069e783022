from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import msgspec
import numpy as np
import pytest
import torch

from ecgmon.ecg.types import Samples
from ecgmon.errors import DataError, EcgmonError
from ecgmon.model.methods.autoencoder import AutoencoderMethod
from ecgmon.model.methods.base import Learning, Reading, Variation
from ecgmon.model.methods.fitting import Loss, batches
from ecgmon.model.methods.sizes import DeepNetwork, MlpNetwork
from ecgmon.model.schedule import rate_at
from tests.model.methods.trained import ERROR, LEARNS, SMALL, fitted

Draw = Callable[..., Samples]


@pytest.mark.parametrize("loss", get_args(Loss))
def test_each_loss_is_the_one_that_the_history_shows(loss: Loss, learning: Learning) -> None:
    method = fitted(msgspec.structs.replace(SMALL, loss=loss), learning)
    x = learning.validation
    error = np.abs(method.restore(x) - x).astype(np.float64)
    delta = SMALL.huber_delta
    assert (error > delta).any()  # or Huber's would be half the squared error, and nothing else
    assert (error < delta).any()
    expected = {
        "mse": error**2,
        "l1": error,
        "huber": np.where(error < delta, 0.5 * error**2, delta * (error - 0.5 * delta)),
    }[loss]
    assert method.history is not None
    assert method.history.validation[method.history.best - 1] == pytest.approx(expected.mean(), rel=1e-4)


@pytest.mark.parametrize(("named", "highest"), [(0.002, 0.002), (None, DeepNetwork.rate)])
def test_every_step_learns_at_the_rate_of_the_schedule(
    learning: Learning, monkeypatch: pytest.MonkeyPatch, named: float | None, highest: float
) -> None:
    rates: list[float] = []
    step = torch.optim.AdamW.step

    def noted(optimizer: torch.optim.AdamW) -> None:
        rates.extend(group["lr"] for group in optimizer.param_groups)
        step(optimizer)

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    settings = msgspec.structs.replace(SMALL, epochs=4, warmup_epochs=1.5, learning_rate=named)
    fitted(settings, learning)  # 320 windows, 10 steps an epoch
    assert rates == [rate_at(i / 10, epochs=4, warmup=1.5, highest=highest) for i in range(40)]


def test_training_stops_when_validation_gets_worse_and_keeps_the_best(learning: Learning, draw: Draw) -> None:
    few = Learning(learning.train[:40], draw(40, 9, wide=True))
    method = fitted(msgspec.structs.replace(LEARNS, network=MlpNetwork(), epochs=200, patience=3), few)
    h = method.history
    assert h is not None
    assert h.epochs == h.best + 3 < 200
    error = np.mean((method.restore(few.validation) - few.validation) ** 2)
    assert error == pytest.approx(h.validation[h.best - 1], rel=1e-4)


def test_the_number_of_windows_does_not_matter_to_batch_normalisation(draw: Draw) -> None:
    for n in (2, 33, 65):
        method = fitted(SMALL, Learning(draw(n, 0), draw(1, 1)))
        assert np.isfinite(method.score(draw(3, 2), ERROR)).all()
    assert [len(b) for b in batches(65, 32, torch.Generator())] == [33, 32]
    assert sorted(torch.cat(batches(65, 32, torch.Generator())).tolist()) == list(range(65))


def test_bad_windows_are_refused(draw: Draw) -> None:
    x, nan = draw(10, 0), draw(10, 0)
    nan[3, 5] = np.nan
    for learning, message in (
        (Learning(nan, x), r"training: 1 window\(s\) hold values that are not finite"),
        (Learning(x, nan), r"validation: 1 window"),
        (Learning(x[:1], x), r"training: 1 window\(s\), at least 2"),
        (Learning(x, x[:0]), r"validation: 0 window"),
        (Learning(x[:, :100], x), r"training: windows of shape \(10, 100\)"),
    ):
        with pytest.raises(DataError, match=message):
            AutoencoderMethod(SMALL).fit(learning, 0)


def test_a_rate_that_is_too_high_is_one_line(learning: Learning) -> None:
    settings = msgspec.structs.replace(SMALL, network=MlpNetwork(), learning_rate=1.0, epochs=50, loss="mse")
    huge = Learning(1e19 * learning.train, learning.validation)
    with pytest.raises(EcgmonError, match=r"lower learning_rate \(now 1\)"):
        AutoencoderMethod(settings).fit(huge, 0)


def test_windows_may_be_read_only(draw: Draw) -> None:
    learning = Learning(draw(40, 0), draw(10, 1))
    for x in (learning.train, learning.validation):
        x.flags.writeable = False
    before = learning.train.copy()
    method = fitted(msgspec.structs.replace(SMALL, augmentation=get_args(Variation), noise=0.1), learning)
    assert np.isfinite(method.score(learning.validation, Reading(augmentation=get_args(Variation)))).all()
    assert np.array_equal(learning.train, before)
