"""Acknowledgements go out in the order of arrival, and none is forgotten."""

from __future__ import annotations

import random
import threading

from ecgmon.transport.acknowledger import Acknowledger


def numbers(line: Acknowledger) -> list[int]:
    return [slot.number for slot in line.take()]


def test_one_that_is_done_early_waits_for_those_before_it() -> None:
    line = Acknowledger(lambda: None)
    first, second, third = (line.arrived(number, 1) for number in (7, 8, 9))
    second()
    assert numbers(line) == []
    first()
    assert numbers(line) == [7, 8]
    first()  # a second call does no harm
    third()
    assert numbers(line) == [9]
    assert numbers(line) == []


def test_threads_that_finish_in_any_order_leave_the_order_and_none_behind() -> None:
    """One thread takes when it is woken, and at no other time."""
    sent: list[int] = []
    woken = threading.Semaphore(0)
    line = Acknowledger(woken.release)
    done = [line.arrived(number, 1) for number in range(4000)]
    chance = random.Random(1)
    chance.shuffle(done)

    def work(part: int) -> None:
        for each in done[part::4]:
            each()

    def send() -> None:
        while len(sent) < len(done) and woken.acquire(timeout=10):
            sent.extend(numbers(line))

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    threads.append(threading.Thread(target=send))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent == list(range(4000))
