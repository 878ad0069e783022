"""States waiting for the broker: the newest of each stream, bounded, none kept of a stream that ended."""

from __future__ import annotations

from ecgmon.sinks.retained import MOST_ENDED, RetainedStates


def taken(states: RetainedStates) -> list[tuple[str, bytes]]:
    return [waiting for waiting in iter(states.take, None) if waiting is not None]


def test_only_the_newest_is_sent_and_all_again_after_a_reconnection() -> None:
    states = RetainedStates()
    for payload in (b"1", b"2"):
        states.put("a", payload, last=False)
    states.put("b", b"3", last=False)
    assert taken(states) == [("a", b"2"), ("b", b"3")]
    assert taken(states) == []
    states.send_all_again()
    assert taken(states) == [("a", b"2"), ("b", b"3")]


def test_the_last_state_of_a_stream_is_sent_again_too_until_the_stream_is_back() -> None:
    states = RetainedStates()
    states.put("a", b"live", last=False)
    states.put("a", b"ended", last=True)
    assert taken(states) == [("a", b"ended")]
    states.send_all_again()
    assert (taken(states), states.current) == ([("a", b"ended")], 0)
    states.put("a", b"back", last=False)
    taken(states)
    states.send_all_again()
    assert taken(states) == [("a", b"back")]


def test_ended_streams_are_remembered_up_to_a_limit() -> None:
    states = RetainedStates()
    for number in range(MOST_ENDED + 5):
        states.put(str(number), b"ended", last=True)
    taken(states)
    states.send_all_again()
    assert len(taken(states)) == MOST_ENDED


def test_what_could_not_be_sent_waits_again_unless_a_newer_one_does() -> None:
    states = RetainedStates()
    states.give_back("a", b"1")
    states.give_back("a", b"0")
    assert taken(states) == [("a", b"1")]


def test_ever_new_names_do_not_grow_it() -> None:
    states = RetainedStates(limit=3)
    for number in range(10):
        states.put(str(number), b"x", last=number % 2 == 0)
    assert (states.unsent, states.current) == (3, 3)
    assert [topic for topic, _ in taken(states)] == ["7", "8", "9"]
