"""What would run, but lets in, or lets read along, more people than an operator may think."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from ecgmon.monitor.settings import ServeSettings
from ecgmon.sinks.mqtt import MqttSinkSettings
from ecgmon.sources.mqtt import MqttSettings
from ecgmon.transport.broker import Address, BrokerSettings


def warnings(settings: ServeSettings) -> list[str]:
    """One line for each: brokers, HTTP and files with secrets that are open, and alerts that may get lost."""
    found: list[str] = []
    for where, broker in _brokers(settings):
        found += [f"{where}: {text}" for text in (*_exposed(broker), *_readable(broker))]
    found += [f"http: {text}" for text in _http(settings)]
    if settings.state_dir is None and any(
        isinstance(sink, MqttSinkSettings) and sink.state_directory is None for sink in settings.sinks
    ):
        found.append(
            "state_dir is not set: alerts that the broker has not taken are lost when we stop, and every "
            "stream is learned anew"
        )
    elif (
        settings.state_dir is not None
        and isinstance(settings.source, MqttSettings)
        and not (settings.source.persistent_session and settings.source.qos)
    ):
        found.append("source: without persistent_session and qos 1, what is sent while we are away is lost")
    return found


def _brokers(settings: ServeSettings) -> Iterator[tuple[str, BrokerSettings]]:
    if isinstance(settings.source, MqttSettings):
        yield "source", settings.source.broker
    for i, sink in enumerate(settings.sinks):
        if isinstance(sink, MqttSinkSettings):
            yield f"sinks[{i}]", sink.broker


def _exposed(broker: BrokerSettings) -> Iterator[str]:
    address = broker.address
    if address.local:
        return
    if not address.encrypted:
        yield f"{address.shown} is plaintext and not local: use mqtts or wss"
    elif not broker.tls.verify:
        yield f"{address.shown}: tls.verify is off, any certificate is trusted"
    if not (broker.username or address.username or broker.tls.cert_file):
        yield f"{address.shown} is not local and no user or certificate is set: it lets anyone in"


def _readable(broker: BrokerSettings) -> Iterator[str]:
    for path in (broker.password_file, broker.tls.key_file or broker.tls.cert_file):
        yield from _open_to_others(path)


def _http(settings: ServeSettings) -> Iterator[str]:
    http = settings.http
    if not http.enabled:
        return
    yield from _open_to_others(http.token_file)
    if Address("mqtt", http.host, 0, path="", username=None, password=None).local:
        return
    if http.token_file is None and http.token_env is None:
        what = "see all patients" if settings.page.enabled else "read metrics"
        yield f"{http.host} can be reached from outside; anyone there can {what}: set token_file"
    else:
        yield f"{http.host} can be reached from outside, and the token is sent in plaintext: put TLS in front"


def _open_to_others(path: str | None) -> Iterator[str]:
    """A file with a secret that every user here may read; one that is missing is said elsewhere."""
    if path is None:
        return
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        yield f"{path} can be read or written by every user here: chmod o= {path}"
