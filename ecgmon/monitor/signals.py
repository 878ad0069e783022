"""Signals: ours to handle for a while, and kept from a broker of our own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ecgmon.transport.embedded import EmbeddedBroker


@contextmanager
def handling(numbers: Iterable[signal.Signals], handler: Any) -> Iterator[None]:
    """Set signal handlers for a while; not where another program's main thread owns the signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def embedded(port: int) -> Iterator[None]:
    """Our own broker, started deaf to signals, which may reach all processes: it has to take our last alerts.

    Signals are blocked while it starts, which a child process inherits; ours wait until it has started.
    """
    broker = EmbeddedBroker(port)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    try:
        broker.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield
    finally:
        broker.stop()
