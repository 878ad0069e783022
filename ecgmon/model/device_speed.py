"""How fast an autoencoder goes on a CUDA device, by where the beats lie: for ``ecgmon bench scorer``."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from ecgmon.ecg.types import WINDOW
from ecgmon.model.autoencoders import Autoencoder


def on_cuda() -> str | None:
    """What the CUDA device is called; None where torch finds none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def from_device_memory(model: Autoencoder, batch: int, seconds: float) -> float:
    """Beats/s whose windows and references already lie in the device's memory, results left there."""
    model = model.to("cuda").eval()
    x = torch.randn(batch, WINDOW, device="cuda")
    reference = torch.randn(batch, WINDOW, device="cuda")
    return _rate(lambda: model(x, reference), batch, seconds)


def from_pinned_memory(model: Autoencoder, batch: int, seconds: float) -> float:
    """Beats/s from pinned memory of the host and back to it, copies in the order of the computation."""
    model = model.to("cuda").eval()
    x = torch.randn(batch, WINDOW).pin_memory()
    reference = torch.randn(batch, WINDOW).pin_memory()
    out = torch.empty(batch, WINDOW).pin_memory()

    def once() -> None:
        y, _ = model(x.to("cuda", non_blocking=True), reference.to("cuda", non_blocking=True))
        out.copy_(y, non_blocking=True)

    return _rate(once, batch, seconds)


def _rate(once: Callable[[], object], batch: int, seconds: float) -> float:
    """Beats/s over ``seconds`` s or more; the device is waited for at both ends and every 20 batches."""
    done = 0
    with torch.inference_mode():
        for _ in range(3):
            once()
        torch.cuda.synchronize()
        began = time.perf_counter()
        while (took := time.perf_counter() - began) < seconds or not done:
            for _ in range(20):
                once()
            torch.cuda.synchronize()
            done += 20 * batch
    return done / took
