"""TLS and mutual TLS against a real Mosquitto: what gets in, and one clear line for each thing wrong."""

from __future__ import annotations

import queue
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecgmon.errors import TransportError
from ecgmon.transport.broker import BrokerSettings, TlsSettings
from ecgmon.transport.connection import Connection
from ecgmon.transport.messages import Handlers, Message
from tests.integration.certificates import make

Broker = Any  # the fixture's class lives in conftest.py, which cannot be imported


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def serve(mosquitto: Broker, certificates: Path, free_port: Callable[[], int]) -> Callable[..., str]:
    """Restarts the broker with TLS, by the certificate of this name; gives host and port."""

    def start(name: str = "server", *, more: str = "") -> str:
        port = free_port()
        mosquitto.stop()
        mosquitto.configure(
            f"listener {port} 127.0.0.1\ncafile {certificates}/ca.pem\n"
            f"certfile {certificates}/{name}.pem\nkeyfile {certificates}/{name}.key\n{more}"
        )
        mosquitto.start()
        return f"127.0.0.1:{port}"

    return start


def tls(folder: Path, client: str | None = None, *, ca: str | None = "ca") -> TlsSettings:
    def file(name: str | None) -> str | None:
        return None if name is None else str(folder / name)

    return TlsSettings(
        ca_file=file(ca and f"{ca}.pem"),
        cert_file=file(client and f"{client}.pem"),
        key_file=file(client and f"{client}.key"),
    )


def get_in(settings: BrokerSettings) -> None:
    """Publish and receive one message."""
    got: queue.Queue[bytes] = queue.Queue()
    connection = Connection(
        settings, "both", Handlers(message=lambda message: got.put(message.payload)), subscribe=("t/#", 1)
    )
    connection.start(must_connect=True)
    try:
        connection.publish(Message("t/a", b"hello"))
        assert got.get(timeout=5) == b"hello"
    finally:
        connection.stop(2.0)


def refusal(settings: BrokerSettings) -> str:
    with pytest.raises(TransportError) as caught:
        Connection(settings, "in").start(must_connect=True)
    text = str(caught.value)
    assert text.startswith(f"broker {settings.address.shown} cannot be used: ")
    assert text.isprintable()
    return text.partition(": ")[2]


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_tls_and_mutual_tls_get_in(serve: Callable[..., str], certificates: Path, protocol: Any) -> None:
    where = serve()
    get_in(BrokerSettings(url=f"mqtts://{where}", tls=tls(certificates), protocol=protocol))
    where = serve(more="require_certificate true")
    get_in(BrokerSettings(url=f"mqtts://{where}", tls=tls(certificates, "client"), protocol=protocol))


def test_websockets_over_tls_get_in_and_a_wrong_authority_is_said(
    serve: Callable[..., str], certificates: Path
) -> None:
    where = serve(more="protocol websockets")
    get_in(BrokerSettings(url=f"wss://{where}", tls=tls(certificates)))
    stranger = BrokerSettings(url=f"wss://{where}", tls=tls(certificates, ca="stranger"))
    assert "its certificate is not accepted" in refusal(stranger)


@pytest.mark.parametrize(
    ("server", "ca", "told"),
    [
        ("server", "stranger", r"its certificate is not accepted: .*(issuer|self.signed)"),
        ("server", None, r"its certificate is not accepted: .*(issuer|self.signed)"),
        ("expired", "ca", r"its certificate is not accepted: certificate has expired"),
        ("elsewhere", "ca", r"its certificate is not accepted: .*mismatch.*127\.0\.0\.1"),
    ],
)
def test_a_broker_whose_certificate_is_wrong_is_not_used(
    serve: Callable[..., str], certificates: Path, server: str, ca: str | None, told: str
) -> None:
    where = serve(server)
    assert re.fullmatch(
        told + ".*", refusal(BrokerSettings(url=f"mqtts://{where}", tls=tls(certificates, ca=ca)))
    )


@pytest.mark.parametrize("version", ["tlsv1.2", "tlsv1.3"])
@pytest.mark.parametrize(
    ("client", "told"),
    [(None, "it asks for our certificate"), ("intruder", "it does not accept our certificate")],
)
def test_a_missing_or_foreign_client_certificate_is_said(
    serve: Callable[..., str], certificates: Path, version: str, client: str | None, told: str
) -> None:
    where = serve(more=f"require_certificate true\ntls_version {version}")
    text = refusal(BrokerSettings(url=f"mqtts://{where}", tls=tls(certificates, client)))
    # a broker that closes at once may take its alert back with it
    assert told in text or "does it ask for our certificate" in text


def test_a_wrong_password_over_tls_is_said_and_never_shown(
    serve: Callable[..., str], mosquitto: Broker, certificates: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = mosquitto.folder / "passwords"
    file.touch(mode=0o644)
    where = serve(more=f"password_file {file}\nallow_anonymous false")
    settings = BrokerSettings(url=f"mqtts://me:wr0ng@{where}", tls=tls(certificates))
    with caplog.at_level("DEBUG"):
        text = refusal(settings)
    assert text == "it refused us: not authorized; see username and password, and what it allows them"
    assert "wr0ng" not in caplog.text


def test_plain_mqtt_to_a_tls_port_and_tls_to_a_plain_port_are_said(
    serve: Callable[..., str], mosquitto: Broker
) -> None:
    where = serve()
    assert "is this its MQTT port" in refusal(BrokerSettings(url=f"mqtt://{where}"))
    plain = refusal(BrokerSettings(url=mosquitto.url.replace("mqtt:", "mqtts:")))
    assert "TLS port" in plain or "reset" in plain


def test_a_key_under_a_passphrase_is_an_error_and_no_question(certificates: Path) -> None:
    settings = TlsSettings(
        cert_file=str(certificates / "client.pem"), key_file=str(certificates / "locked.key")
    )
    with pytest.raises(TransportError, match=r"locked\.key: the key has a passphrase"):
        settings.context()
