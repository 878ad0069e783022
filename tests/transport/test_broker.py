"""Broker URLs, credentials and what is said about failures: nothing secret is ever shown."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgmon.config import convert
from ecgmon.errors import ConfigError, TransportError
from ecgmon.transport.broker import BrokerSettings, TlsSettings, explain, parse_url

VARIABLE = "ECGMON_TEST_BROKER"


@pytest.mark.parametrize(
    ("url", "host", "port", "shown"),
    [
        ("mqtt://h", "h", 1883, "mqtt://h:1883"),
        ("mqtts://h:1", "h", 1, "mqtts://h:1"),
        ("ws://h/mqtt", "h", 80, "ws://h:80"),
        ("wss://h", "h", 443, "wss://h:443"),
        ("mqtt://[::1]:2", "::1", 2, "mqtt://[::1]:2"),
        ("unix:///run/m.sock", "/run/m.sock", 1883, "unix:///run/m.sock"),
        ("mqtt://me:s3cret@h:5", "h", 5, "mqtt://h:5"),
    ],
)
def test_each_scheme_is_understood(url: str, host: str, port: int, shown: str) -> None:
    address = parse_url(url)
    assert (address.host, address.port, address.shown) == (host, port, shown)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("unix:///run/m.sock", True),
        ("mqtt://localhost", True),
        ("mqtt://127.3.2.1", True),
        ("mqtt://[::1]", True),
        ("mqtt://127.example.org", False),
        ("mqtt://192.168.0.1", False),
        ("mqtt://[fe80::1]", False),
        ("mqtt://broker", False),
    ],
)
def test_local_is_what_never_leaves_the_machine(url: str, local: bool) -> None:
    assert parse_url(url).local is local


def test_user_and_password_are_unquoted() -> None:
    address = parse_url("mqtt://me%40home:p%2Fw@h")
    assert (address.username, address.password) == ("me@home", "p/w")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h:1883",
        "http://h",
        "mqtt://",
        "mqtt://h:port",
        "mqtt://h:99999",
        "mqtt://h/topic",
        "mqtt://me:s3cret/x@h",
        "mqtt://me:s3cret@h?x",
        "mqtt://me:s3cret@h x",
        "unix://",
        "unix://run/mosquitto.sock",
        "mqtt://[::1",
    ],
)
def test_a_wrong_url_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ConfigError, match="url") as caught:
        convert({"url": url}, BrokerSettings, where="serve.yaml")
    assert "s3cret" not in str(caught.value)


@given(st.text(max_size=40))
def test_every_text_is_an_address_or_a_value_error(url: str) -> None:
    try:
        address = parse_url("mqtt://" + url)
    except ValueError:
        return
    assert address.shown.isprintable()


def test_the_password_shows_in_no_representation() -> None:
    broker = BrokerSettings(url="mqtt://me:s3cret@h")
    assert "s3cret" not in f"{broker!r} {broker} {broker.address!r}"


def test_the_password_comes_from_file_environment_or_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_text("from file\n")
    monkeypatch.setenv(VARIABLE, "from environment")
    assert BrokerSettings(username="me", password_file=str(file)).credentials() == ("me", "from file")
    assert BrokerSettings(username="me", password_env=VARIABLE).credentials() == (
        "me",
        "from environment",
    )
    assert BrokerSettings(url="mqtt://me:from%20url@h").credentials() == ("me", "from url")
    assert BrokerSettings().credentials() == (None, None)


def test_a_password_that_cannot_be_had_names_its_place(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for settings, place in [
        (BrokerSettings(username="me", password_file=str(tmp_path / "none")), "none"),
        (BrokerSettings(username="me", password_file=str(tmp_path / "empty")), "empty"),
        (BrokerSettings(username="me", password_env=f"{VARIABLE}_UNSET"), "UNSET"),
    ]:
        with pytest.raises(TransportError, match=place):
            settings.credentials()


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"password_env": "X"}, "username"),
        ({"username": "me", "password_env": "X", "password_file": "y"}, "one of them"),
        ({"reconnect_min_seconds": 5, "reconnect_max_seconds": 1}, "reconnect"),
        ({"tls": {"ca_file": "ca.pem"}}, "tls: mqtt is not encrypted; write mqtts://"),
        ({"url": "ws://h", "tls": {"verify": False}}, "tls: ws is not encrypted; write wss://"),
        ({"url": "unix:///m.sock", "tls": {"ca_file": "ca.pem"}}, "tls: unix is not encrypted"),
        ({"url": "mqtts://h", "tls": {"key_file": "k.pem"}}, "key_file needs tls.cert_file"),
        ({"keepalive_seconds": 0}, "keepalive_seconds"),
        ({"keep_alive": 3}, "keepalive_seconds"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(tree: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        convert(tree, BrokerSettings, where="serve.yaml")


def test_certificates_that_are_missing_or_no_pem_are_named(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"none\.pem"):
        TlsSettings(ca_file=str(tmp_path / "none.pem")).context()
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    with pytest.raises(TransportError, match=r"bad\.pem"):
        TlsSettings(ca_file=str(bad)).context()


def test_certificates_are_verified_unless_told_otherwise() -> None:
    assert TlsSettings().context().verify_mode == ssl.CERT_REQUIRED
    assert TlsSettings().context().check_hostname
    assert TlsSettings(verify=False).context().verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionRefusedError(), "is it running"),
        (socket.gaierror(), "resolved"),
        (TimeoutError(), "no answer"),
        (ConnectionResetError(), "TLS"),
        (FileNotFoundError(), "socket"),
        (TransportError("said already"), "said already"),
        (OSError(113, "No route to host"), "No route to host"),
        (ValueError("one\ntwo"), "one two"),
        (OSError(), "OSError"),
    ],
)
def test_every_failure_is_one_line_that_says_what_to_look_at(error: Exception, told: str) -> None:
    assert told in explain(error)
    assert explain(error).isprintable()
