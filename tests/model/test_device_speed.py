"""What a beat costs, and rates where there is a CUDA device."""

from __future__ import annotations

import pytest
import torch

from ecgmon.model.autoencoders import ConvSettings, LstmSettings, build
from ecgmon.model.device_speed import (
    PEAKS,
    cost_per_beat,
    from_device_memory,
    from_pinned_memory,
    limits,
    on_cuda,
    shares,
)


def test_flops_are_those_of_the_layers() -> None:
    down = [(96, 2, 16), (48, 16, 32), (24, 32, 32)]  # steps out, channels in and out
    context = [(96, 1, 8), (48, 8, 16), (24, 16, 16)]
    up = [(24, 32, 32), (48, 32, 16), (96, 16, 1)]  # transposed: steps in, not out
    filters = sum(steps * into * out * 7 for steps, into, out in [*down, *context, *up])
    matrices = 768 * 16 + 16 * 24 * 24 + 40 * 768
    assert cost_per_beat(build(ConvSettings())).flops == 2 * (filters + matrices)


def test_an_lstms_flops_are_those_of_its_steps_and_directions() -> None:
    settings = LstmSettings(patch=8, hidden=10, bidirectional=True, latent=4, context=0)
    read, write = 2 * 4 * 10 * (8 + 10), 4 * 10 * (4 + 16 + 10)
    linear = 20 * 4 + 24 * 10 * 8
    assert cost_per_beat(build(settings)).flops == 2 * (24 * (read + write) + linear)


def test_bytes_are_what_the_layers_read_and_write() -> None:
    found = cost_per_beat(build(ConvSettings(channels=(2,), kernel=3, latent=1, context=0)))
    conv, gelu, flatten, mean = 192 + 2 * 96, 4 * 96, 4 * 96, 2 * 96 + 1
    drop, linear, unflatten, up = 4 * 96, 1 + 2 * 96, 4 * 96, 2 * 96 + 192
    assert found.bytes == 4 * (conv + gelu + flatten + drop + mean + linear + gelu + unflatten + up + 2 * 192)


def test_shares_are_told_of_devices_whose_peaks_are_known() -> None:
    cost = cost_per_beat(build(ConvSettings()))
    name, peak = next(iter(PEAKS.items()))
    rate = peak.float32 / cost.flops / 2
    assert shares(rate, cost, name, "float32") == pytest.approx((0.5, rate * cost.bytes / peak.memory))
    half = shares(rate, cost, name, "float16")
    assert half is not None
    assert half[0] < 0.5
    assert shares(rate, cost, "a device of tomorrow", "float32") is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_beats_on_the_device_are_faster_than_from_the_host_and_within_its_limits() -> None:
    model = build(ConvSettings())
    rate = from_device_memory(model, 65_536, 0.5, "float32")
    flops, moved = limits(0.5)
    assert on_cuda()
    assert 0 < from_pinned_memory(model, 0.5, "float32") < 1.2 * rate
    assert rate * cost_per_beat(model).flops < 2 * flops
    assert rate * 3 * 187 * 4 < moved
