"""Stream names never become more than a name."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgmon.errors import ConfigError, PayloadError
from ecgmon.transport.topics import MAX_STREAM, OwnTopics, SampleTopics, check_stream_name, is_stream_name


@pytest.mark.parametrize("name", ["208", "bed 7", "sim-02", "Bett-ü", "a.b", "x" * MAX_STREAM])
def test_plain_names_are_taken(name: str) -> None:
    assert check_stream_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a/b",
        "a\\b",
        "..",
        ".hidden",
        "+",
        "a#",
        "a\nb",
        "a\x00",
        "a\u202eb",
        "$SYS",
        " a",
        "a ",
        "\ud800",
        "x" * 129,
    ],
)
def test_names_that_could_be_more_than_a_name_are_refused_with_a_printable_message(name: str) -> None:
    with pytest.raises(PayloadError) as caught:
        check_stream_name(name)
    assert caught.value.reason == "stream"
    assert str(caught.value).isprintable()


@given(st.text(max_size=200))
def test_every_text_is_a_name_that_goes_there_and_back_or_is_refused(name: str) -> None:
    topics = SampleTopics("a/{stream}/b")
    if is_stream_name(name):
        assert topics.stream(topics.topic(name)) == name
        assert OwnTopics().alert(name).split("/") == ["ecgmon", "alerts", name]
    else:
        with pytest.raises(PayloadError):
            topics.topic(name)


@given(st.text(max_size=60))
def test_every_topic_gives_a_valid_name_or_is_refused(topic: str) -> None:
    name = None
    with contextlib.suppress(PayloadError):
        name = SampleTopics().stream(topic)
    assert name is None or (is_stream_name(name) and topic == f"ecg/{name}/samples")


def test_the_filter_matches_one_level_where_the_stream_stands() -> None:
    assert SampleTopics("ward/3/{stream}/ecg").filter == "ward/3/+/ecg"


def test_the_template_of_one_level_is_enough() -> None:
    assert SampleTopics("{stream}").stream("bed7") == "bed7"


@pytest.mark.parametrize(
    "template",
    [
        "",
        "ecg/samples",
        "ecg/x{stream}/s",
        "{stream}/{stream}",
        "ecg/+/{stream}",
        "a//{stream}",
        "#/{stream}",
    ],
)
def test_a_template_that_a_broker_cannot_match_is_refused(template: str) -> None:
    with pytest.raises(ConfigError, match="template"):
        SampleTopics(template)


@pytest.mark.parametrize("prefix", ["", "a/", "a/#", "/a", "+"])
def test_a_prefix_with_wildcards_or_empty_levels_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        OwnTopics(prefix)


@pytest.mark.parametrize(
    "topic", ["ecg/208", "ecg/208/other", "other/208/samples", "ecg/208/samples/more", ""]
)
def test_a_topic_that_does_not_fit_is_refused(topic: str) -> None:
    with pytest.raises(PayloadError):
        SampleTopics().stream(topic)
