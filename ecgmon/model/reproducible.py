"""The same seed, data and machine give the same numbers to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread inside; outside, as many as before.

    The order of sums must not depend on the machine's cores, and nets this small mostly wait for each other
    on several.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seeded, deterministic algorithms, one thread inside; outside, torch is left as it was found."""
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)
