"""Which broker, and how to get in: URL, credentials and certificates, declared once for all who connect.

A password comes from a file, from the environment or from the URL, and is shown nowhere: what goes into logs
and errors is :attr:`Address.shown`, which has no user part.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import unquote, urlsplit

from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.errors import TransportError

Scheme = Literal["mqtt", "mqtts", "ws", "wss", "unix"]

_PORTS: Final[dict[Scheme, int]] = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443, "unix": 1883}
_ENCRYPTED: Final[dict[Scheme, Scheme]] = {"mqtt": "mqtts", "ws": "wss"}


@dataclass(frozen=True, slots=True)
class Address:
    """A broker's URL in parts. ``host`` is the socket's path for ``unix``; ``path`` that of a websocket."""

    scheme: Scheme
    host: str
    port: int
    path: str
    username: str | None
    password: str | None

    @property
    def shown(self) -> str:
        """The URL without user and password, fit for logs and errors."""
        if self.scheme == "unix":
            return f"unix://{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def encrypted(self) -> bool:
        return self.scheme in {"mqtts", "wss"}

    @property
    def local(self) -> bool:
        """Whether nothing leaves this machine."""
        if self.scheme == "unix" or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name, even one such as 127.example.org
            return False

    def __repr__(self) -> str:
        return f"Address({self.shown})"


def parse_url(url: str) -> Address:
    """``mqtt://user:password@host:port`` and its kin, in parts; a ValueError about it does not quote it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("broker url: host or port is malformed; write special characters as %xx") from None
    for scheme in _schemes():
        if parts.scheme == scheme:
            break
    else:
        raise ValueError("broker url: must begin with mqtt://, mqtts://, ws://, wss:// or unix://")
    if parts.query or parts.fragment or not (url.isprintable() and " " not in url):
        raise ValueError("broker url: '?', '#', space and control characters must be written as %xx")
    host = unquote(parts.path) if scheme == "unix" else parts.hostname
    if not host:
        raise ValueError(
            f"broker url: names no host, as in {scheme}://127.0.0.1 or unix:///run/mosquitto.sock"
        )
    if scheme == "unix" and parts.hostname:
        raise ValueError(
            "broker url: the path of a socket begins with a third slash, unix:///run/mosquitto.sock"
        )
    if scheme in {"mqtt", "mqtts"} and parts.path not in {"", "/"}:
        raise ValueError(f"broker url: a path after the host means nothing to {scheme}")
    return Address(
        scheme=scheme,
        host=host,
        port=_PORTS[scheme] if port is None else port,
        path=parts.path if scheme in {"ws", "wss"} and parts.path else "/mqtt",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


class TlsSettings(Settings, frozen=True):
    """Certificates for ``mqtts`` and ``wss``; without any, the system's authorities are trusted."""

    ca_file: Annotated[str, Meta(description="authorities to trust instead of the system's, PEM")] | None = (
        None
    )
    cert_file: Annotated[str, Meta(description="our own certificate, PEM, for mutual TLS")] | None = None
    key_file: (
        Annotated[str, Meta(description="the key of our certificate, PEM, if not in the same file")] | None
    ) = None
    verify: Annotated[bool, Meta(description="false: trust any certificate; for tests only")] = True

    def __post_init__(self) -> None:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("tls.key_file needs tls.cert_file, the certificate that it belongs to")

    def context(self) -> ssl.SSLContext:
        """Raises :class:`TransportError` naming the file that cannot be used."""
        for path in (self.ca_file, self.cert_file, self.key_file):
            if path is not None and not os.access(path, os.R_OK):
                raise TransportError(f"{path}: certificate or key file is missing or unreadable")
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file, self._no_passphrase)
        except ssl.SSLError as error:
            names = ", ".join(path for path in (self.ca_file, self.cert_file, self.key_file) if path)
            raise TransportError(f"{names}: no usable PEM ({error.reason or error})") from None
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _no_passphrase(self) -> str:
        """Called for a key under a passphrase, which would otherwise be asked for on the terminal."""
        raise TransportError(f"{self.key_file or self.cert_file}: the key has a passphrase; give one without")


class BrokerSettings(Settings, frozen=True):
    """How to reach an MQTT broker."""

    url: Annotated[str, Meta(description="mqtt, mqtts, ws, wss or unix URL")] = "mqtt://127.0.0.1:1883"
    username: Annotated[str, Meta(min_length=1, description="instead of the URL's")] | None = None
    password_file: Annotated[str, Meta(description="file whose first line is the password")] | None = None
    password_env: Annotated[str, Meta(description="environment variable with the password")] | None = None
    client_id: (
        Annotated[
            str, Meta(min_length=1, max_length=100, description="unique at the broker; the role is appended")
        ]
        | None
    ) = None
    protocol: Annotated[Literal["3.1.1", "5"], Meta(description="version of MQTT")] = "3.1.1"
    keepalive_seconds: Annotated[
        int, Meta(ge=2, le=3600, description="a dead connection is noticed within twice this")
    ] = 15
    connect_timeout_seconds: Annotated[float, Meta(gt=0, le=60, description="for each step of it")] = 5.0
    reconnect_min_seconds: Annotated[float, Meta(ge=0.05, le=60, description="first pause")] = 0.5
    reconnect_max_seconds: Annotated[float, Meta(ge=0.05, le=600, description="longest pause")] = 15.0
    fail_at_start: Annotated[
        bool, Meta(description="true: give up when the first connection fails; false: keep trying")
    ] = False
    tls: TlsSettings = TlsSettings()

    def __post_init__(self) -> None:
        address = parse_url(self.url)
        if self.password_file is not None and self.password_env is not None:
            raise ValueError("password_file and password_env: give one of them")
        has_password = address.password or self.password_file or self.password_env
        if has_password and not (self.username or address.username):
            raise ValueError("a password needs a username beside it, or in the url")
        if self.tls != TlsSettings() and not address.encrypted:
            better = _ENCRYPTED.get(address.scheme, "mqtts")
            raise ValueError(f"tls: {address.scheme} is not encrypted; write {better}://, or leave tls out")
        if self.reconnect_max_seconds < self.reconnect_min_seconds:
            raise ValueError("reconnect_max_seconds is below reconnect_min_seconds")

    @property
    def address(self) -> Address:
        return parse_url(self.url)

    def credentials(self) -> tuple[str | None, str | None]:
        """User and password, read anew at each connection, so that both can be renewed while we run.

        Raises :class:`TransportError` when the file or variable is missing.
        """
        address = self.address
        username = self.username or address.username
        if self.password_file is not None:
            try:
                lines = Path(self.password_file).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError):
                raise TransportError(f"{self.password_file}: the password file cannot be read") from None
            if not lines:
                raise TransportError(f"{self.password_file}: the password file is empty")
            return username, lines[0]
        if self.password_env is not None:
            password = os.environ.get(self.password_env)
            if password is None:
                raise TransportError(f"environment variable {self.password_env} with the password is not set")
            return username, password
        return username, address.password

    def __repr__(self) -> str:
        return f"BrokerSettings({self.address.shown})"


def explain(error: Exception) -> str:
    """Why a connection failed, in words that say what to look at."""
    if isinstance(error, TransportError):
        return str(error)
    known: tuple[tuple[type[Exception], str], ...] = (
        (ConnectionRefusedError, "connection refused; is it running?"),
        (FileNotFoundError, "there is no such socket; is it running?"),
        (PermissionError, "no permission to use the socket"),
        (socket.gaierror, "the host name cannot be resolved"),
        (TimeoutError, "no answer in time; is a firewall between us?"),
        (ConnectionResetError, "the connection was reset; does it expect TLS, or another protocol?"),
    )
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        told = explain_alert(str(error.reason))
        hint = f"TLS failed ({error.reason or error}); is it a TLS port, and does it ask for our certificate?"
        return told or hint
    for kind, text in known:
        if isinstance(error, kind):
            return text
    return " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())


def explain_alert(text: str) -> str | None:
    """What a TLS alert of the broker about our own certificate means; None when ``text`` holds none.

    OpenSSL names them so; in TLS 1.3 they come after the handshake, and all that is left of them is a line
    in paho's log.
    """
    if "ALERT_CERTIFICATE_REQUIRED" in text:
        return "it asks for our certificate; set tls.cert_file and tls.key_file"
    for word in ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_EXPIRED", "CERTIFICATE_REVOKED",
                 "UNSUPPORTED_CERTIFICATE", "CERTIFICATE_UNKNOWN"):  # fmt: skip
        if f"ALERT_{word}" in text:
            return f"it does not accept our certificate ({word.lower().replace('_', ' ')}); see tls.cert_file"
    return None


def explain_refusal(code: str) -> str:
    """A refused CONNACK, by paho's name of its reason code, with what to look at."""
    hints = {
        "bad user name or password": "see username and password",
        "not authorized": "see username and password, and what it allows them",
        "unsupported protocol version": "see broker.protocol",
        "client identifier not valid": "see broker.client_id",
    }
    code = code.lower()
    return f"it refused us: {code}" + (f"; {hints[code]}" if code in hints else "")


def _schemes() -> tuple[Scheme, ...]:
    return tuple(_PORTS)
