"""How fast an autoencoder goes on a CUDA device, by where the beats lie: for ``ecgmon bench scorer``."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

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


def flops_per_beat(model: Autoencoder) -> float:
    """Multiplications and additions of convolutions and matrices; torch does not count those of an LSTM."""
    x = torch.zeros(1, WINDOW, device=next(model.parameters()).device)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.eval()(x, x)
    return float(counter.get_total_flops())


def limits(seconds: float) -> tuple[float, float]:
    """What the device can: FLOP/s in a large product of fp32 matrices, as torch's settings let it compute
    them, and bytes/s moved by a copy within its memory, read and written."""
    a = torch.randn(8192, 8192, device="cuda")
    out = torch.empty_like(a)
    flops = _rate(lambda: torch.mm(a, a, out=out), 2 * 8192**3, seconds)
    big = torch.empty(2**28, device="cuda")
    other = torch.empty_like(big)
    moved = _rate(lambda: other.copy_(big), 2 * 4 * 2**28, seconds)
    return flops, moved


def _rate(once: Callable[[], object], units: int, seconds: float) -> float:
    """Units/s, ``units`` a call, over ``seconds`` s or more; the device is waited for every 20 calls."""
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
            done += 20 * units
    return done / took
