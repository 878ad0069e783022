"""How fast an autoencoder goes on a CUDA device, by where the beats lie, and what the device could do: for
``ecgmon bench scorer``. Not run on a GPU yet, but for what a beat costs, which is counted anywhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ecgmon.ecg.types import WINDOW
from ecgmon.model.autoencoders import Autoencoder
from ecgmon.model.graphs import GraphForward
from ecgmon.model.slots import LARGEST_BATCH, Precision, computed


class Peak(NamedTuple):
    """Of a device, by its data sheet: FLOP/s of dense products, in float32 without TF32 and in 16 bits, and
    bytes/s of its memory."""

    float32: float
    half: float
    memory: float


PEAKS: Final = {
    "NVIDIA H200": Peak(67e12, 989e12, 4.8e12),
    "NVIDIA H100 80GB HBM3": Peak(67e12, 989e12, 3.35e12),
    "NVIDIA A100-SXM4-80GB": Peak(19.5e12, 312e12, 2.04e12),
    "NVIDIA A100-SXM4-40GB": Peak(19.5e12, 312e12, 1.56e12),
    "NVIDIA L4": Peak(30.3e12, 121e12, 0.3e12),
}
"""By the name that torch gives; of others no share is told."""


class Cost(NamedTuple):
    """Of one beat: multiplications and additions of convolutions, matrices and LSTMs; and bytes moved when
    each layer reads its input and writes its output, float32, weights left aside."""

    flops: float
    bytes: float


def on_cuda() -> str | None:
    """What the CUDA device is called; None where torch finds none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def cost_per_beat(model: Autoencoder) -> Cost:
    """Counted from the layers while one beat goes through."""
    flops, moved = 0.0, 0.0

    def count(module: nn.Module, given: tuple[Tensor, ...], made: Any) -> None:
        nonlocal flops, moved
        if isinstance(module, nn.LSTM):  # which torch's counter leaves out
            weights = sum(p.numel() for name, p in module.named_parameters() if name.startswith("weight"))
            flops += 2.0 * weights * given[0].shape[1]
            made = made[0]
        moved += given[0].element_size() * (given[0].numel() + made.numel())

    leaves = [module for module in model.modules() if not list(module.children())]
    hooks = [module.register_forward_hook(count) for module in leaves]
    x = torch.zeros(1, WINDOW, device=next(model.parameters()).device)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.eval()(x, x)
    for hook in hooks:
        hook.remove()
    return Cost(flops + counter.get_total_flops(), moved)


def from_device_memory(model: Autoencoder, batch: int, seconds: float, precision: Precision) -> float:
    """Beats/s whose windows and references already lie in the device's memory, results left there."""
    model = model.to("cuda").eval()
    rows = torch.randn(batch, 2, WINDOW, device="cuda")
    return _rate(lambda: computed(model, rows, precision), batch, seconds)


def from_pinned_memory(model: Autoencoder, seconds: float, precision: Precision) -> float:
    """Beats/s from pinned memory of the host and back to it by the slots of
    :class:`ecgmon.model.graphs.GraphForward`, copies beside the computation."""
    slots = GraphForward(model, torch.device("cuda"), precision).slots

    def once() -> None:
        for slot in slots:
            slot.wait()
            slot.start(LARGEST_BATCH)

    return _rate(once, len(slots) * LARGEST_BATCH, seconds)


def limits(seconds: float) -> tuple[float, float]:
    """What the device does: FLOP/s in a large product of fp32 matrices, as torch's settings let it compute
    them, and bytes/s moved by a copy within its memory, read and written."""
    a = torch.randn(8192, 8192, device="cuda")
    out = torch.empty_like(a)
    flops = _rate(lambda: torch.mm(a, a, out=out), 2 * 8192**3, seconds)
    big = torch.empty(2**28, device="cuda")
    other = torch.empty_like(big)
    moved = _rate(lambda: other.copy_(big), 2 * 4 * 2**28, seconds)
    return flops, moved


def shares(rate: float, cost: Cost, name: str, precision: Precision) -> tuple[float, float] | None:
    """Of the peaks of the device called ``name`` that ``rate`` beats/s reach: FLOP/s and bytes/s; None where
    they are not known."""
    peak = PEAKS.get(name)
    if peak is None:
        return None
    flops = peak.float32 if precision == "float32" else peak.half
    return rate * cost.flops / flops, rate * cost.bytes / peak.memory


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
