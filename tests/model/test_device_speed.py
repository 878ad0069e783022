"""FLOPs of a beat, and rates where there is a CUDA device."""

from __future__ import annotations

import pytest
import torch

from ecgmon.model.autoencoders import ConvSettings, build
from ecgmon.model.device_speed import flops_per_beat, from_device_memory, from_pinned_memory, limits, on_cuda


def test_flops_are_those_of_the_layers() -> None:
    down = [(96, 2, 16), (48, 16, 32), (24, 32, 32)]  # steps out, channels in and out
    context = [(96, 1, 8), (48, 8, 16), (24, 16, 16)]
    up = [(24, 32, 32), (48, 32, 16), (96, 16, 1)]  # transposed: steps in, not out
    filters = sum(steps * into * out * 7 for steps, into, out in [*down, *context, *up])
    matrices = 768 * 16 + 16 * 24 * 24 + 40 * 768
    assert flops_per_beat(build(ConvSettings())) == 2 * (filters + matrices)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_beats_on_the_device_are_faster_than_from_the_host_and_within_its_limits() -> None:
    model = build(ConvSettings())
    rate = from_device_memory(model, 65_536, 0.5)
    flops, moved = limits(0.5)
    assert on_cuda()
    assert 0 < from_pinned_memory(model, 65_536, 0.5) < 1.2 * rate
    assert rate * flops_per_beat(model) < 2 * flops
    assert rate * 3 * 187 * 4 < moved
