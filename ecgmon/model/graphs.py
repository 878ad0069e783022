"""The autoencoder resident on a CUDA device: captured graphs, pinned memory, copies beside the computation.

Weights, inputs and results have fixed places on the device. For each size of batch
(:mod:`ecgmon.model.slots`) all kernels of the forward pass are captured once as a graph and launched together
from then on: they are a few dozen of some microseconds each, and launching them one by one takes longer than
running them. Copies to the device, the computation and copies back have a stream each, held in order by
events, so that with two slots one batch is copied while another is computed.

What can go wrong, and what happens then: a capture that fails (a library that allocates or waits meanwhile)
is said once in the log, and sizes that are not captured yet run kernel by kernel, with the same results. An
error of the device itself ends this call and every later one with an error: nothing here hides it.

This has not been run on a GPU yet. What needs none, :class:`ecgmon.model.slots.Ring` and the filling up, the
tests run on a CPU; the tests of the rest wait for a device.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import deepcopy
from typing import Final

import torch

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.autoencoders import Autoencoder
from ecgmon.model.slots import LARGEST_BATCH, Precision, Ring, computed, size_for

log = logging.getLogger(__name__)

SLOTS: Final = 2
"""One on its way while the other is filled."""

WARM_UPS: Final = 3
"""Runs before a capture, on its stream: what libraries allocate at their first use must not fall into it."""


class Streams:
    """What the slots of one net share: a stream each way, one to compute on, and the graphs' memory.

    Graphs may share memory because they run one after the other, on one stream, and each leaves its result in
    its slot's own memory.
    """

    def __init__(self, device: torch.device) -> None:
        self.there, self.compute, self.back = (_stream(device) for _ in range(3))
        self.pool = torch.cuda.graph_pool_handle()
        self.captures = True
        """False once a capture has failed."""


class GraphSlot:
    """A :class:`ecgmon.model.slots.Slot` whose host's side is pinned: copies need not wait for each other."""

    def __init__(
        self, model: Autoencoder, streams: Streams, device: torch.device, precision: Precision
    ) -> None:
        self._model, self._streams, self._precision = model, streams, precision
        self._host_rows = torch.zeros(LARGEST_BATCH, 2, WINDOW, pin_memory=True)
        self._host_result = torch.zeros(LARGEST_BATCH, WINDOW, pin_memory=True)
        self.rows: Samples = self._host_rows.numpy()
        self.result: Samples = self._host_result.numpy()
        self._rows = torch.zeros(LARGEST_BATCH, 2, WINDOW, device=device)
        self._result = torch.zeros(LARGEST_BATCH, WINDOW, device=device)
        self._runs: dict[int, Callable[[], None]] = {}
        self._arrived, self._computed, self._done = (_event() for _ in range(3))
        torch.cuda.synchronize(device)  # the zeros were written on another stream

    def start(self, n: int) -> None:
        size = size_for(n)
        run = self._runs.get(size)
        if run is None:
            run = self._runs[size] = self._prepared(size)
        with torch.cuda.stream(self._streams.there):
            self._rows[:n].copy_(self._host_rows[:n], non_blocking=True)
            self._arrived.record()
        with torch.cuda.stream(self._streams.compute):
            self._arrived.wait()
            run()
            self._computed.record()
        with torch.cuda.stream(self._streams.back):
            self._computed.wait()
            self._host_result[:n].copy_(self._result[:n], non_blocking=True)
            self._done.record()

    def wait(self) -> None:
        self._done.synchronize()  # returns at once where nothing was recorded

    def _prepared(self, size: int) -> Callable[[], None]:
        """What restores the first ``size`` rows on the current stream: a graph, or the layers one by one."""

        def layers() -> None:
            self._result[:size].copy_(computed(self._model, self._rows[:size], self._precision))

        compute = self._streams.compute
        with torch.cuda.stream(compute):
            for _ in range(WARM_UPS):
                layers()
        compute.synchronize()
        if not self._streams.captures:
            return layers
        graph = torch.cuda.CUDAGraph()
        try:
            # thread_local: other threads of the program have no part in the graph and may do as they like.
            with torch.cuda.graph(
                graph, pool=self._streams.pool, stream=compute, capture_error_mode="thread_local"
            ):
                layers()
        except RuntimeError as error:
            self._streams.captures = False
            log.warning("no CUDA graph of %d beats (%s): the net runs kernel by kernel, slower", size, error)
            return layers
        return graph.replay


class GraphForward(Ring):
    """[n, 187] beats and references to restored beats, on a CUDA device. The weights are a copy of its own: a
    graph reads them where they lay when it was captured."""

    def __init__(self, model: Autoencoder, device: torch.device, precision: Precision = "float32") -> None:
        own, streams = deepcopy(model).to(device).eval(), Streams(device)
        super().__init__([GraphSlot(own, streams, device, precision) for _ in range(SLOTS)])


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call] # torch's


def _event() -> torch.cuda.Event:
    return torch.cuda.Event()  # type: ignore[no-untyped-call] # torch's
