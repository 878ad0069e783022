"""The compose file: it fits the specification, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecgmon.monitor.settings import load
from ecgmon.sources.mqtt import MqttSettings
from tests.deploy.dockerfile import read

COMPOSE = Path(__file__).resolve().parents[2] / "deploy" / "compose"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"])


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Target and source of each volume."""
    parts = [each.split(":") for each in service.get("volumes", [])]
    return {target: source for source, target, *_ in parts}


@pytest.mark.parametrize("name", ["compose.yaml", "gpu.yaml"])
def test_a_file_fits_the_specification(name: str) -> None:
    from compose_spec import PyCompose

    PyCompose.from_yaml((COMPOSE / name).read_text()).validate()


def test_a_wrong_file_would_be_noticed() -> None:
    from compose_spec import PyCompose

    text = (COMPOSE / "compose.yaml").read_text()
    with pytest.raises(ValueError, match="stop_grace"):
        PyCompose.from_yaml(text.replace("stop_grace_period:", "stop_grace:"))


def test_every_mounted_file_is_there(services: dict[str, Any]) -> None:
    sources = {source for service in services.values() for source in mounts(service).values()}
    named = {source for source in sources if source.startswith(".")}
    assert {source for source in named if not (COMPOSE / source).exists()} == set()
    volumes = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["volumes"]
    assert sources - named == set(volumes)


def test_what_the_broker_reads_is_mounted(services: dict[str, Any]) -> None:
    conf = (COMPOSE.parent / "mosquitto" / "mosquitto.conf").read_text()
    paths = re.findall(r"^\w+ (/mosquitto/\S+)$", conf, re.MULTILINE)
    assert len(paths) == 5
    targets = tuple(mounts(services["mosquitto"]))
    assert all(path.startswith(targets) for path in paths)


def test_the_monitor_finds_broker_password_and_state(services: dict[str, Any]) -> None:
    service, settings = services["ecgmon"], load(COMPOSE / "serve.yaml")
    assert isinstance(settings.source, MqttSettings)
    broker = settings.source.broker
    assert broker.address.host in services
    assert services["mosquitto"]["ports"] == [f"{broker.address.port}:8883"]
    assert (
        f"listener {broker.address.port}\n" in (COMPOSE.parent / "mosquitto" / "mosquitto.conf").read_text()
    )
    targets = mounts(service)
    assert broker.password_file == f"/run/ecgmon/users/{broker.username}/password"
    assert broker.tls.ca_file == "/run/ecgmon/ca.pem"
    assert targets["/run/ecgmon"] == mounts(services["secrets"])["/secrets"] == "secrets"
    assert settings.state_dir in targets
    assert read()["run"].words("CMD")[-1] in targets
    assert broker.username in services["secrets"]["entrypoint"][-1].split()
    assert broker.address.host in services["secrets"]["environment"]["HOSTS"].split(",")


def test_secrets_belong_to_who_reads_them(services: dict[str, Any]) -> None:
    environment = services["secrets"]["environment"]
    assert environment["ECGMON_USER"] == read()["run"].last("USER").partition(":")[0]
    assert environment["BROKER_USER"] == "1883"  # as the image has it


def test_the_monitor_is_given_longer_than_it_takes_to_stop(services: dict[str, Any]) -> None:
    grace = float(services["ecgmon"]["stop_grace_period"].removesuffix("s"))
    assert grace > load(COMPOSE / "serve.yaml").shutdown_seconds + 5


def test_prometheus_scrapes_the_monitor(services: dict[str, Any]) -> None:
    (group,) = yaml.safe_load((COMPOSE / "targets" / "ecgmon.yml").read_text())
    assert group["targets"] == [f"ecgmon:{load(COMPOSE / 'serve.yaml').http.port}"]
    assert "ecgmon" in services
    scraping = yaml.safe_load((COMPOSE.parent / "prometheus" / "prometheus.yml").read_text())
    files = [
        each
        for job in scraping["scrape_configs"]
        for sd in job.get("file_sd_configs", [])
        for each in sd["files"]
    ]
    assert files == ["targets/*.yml"]
    assert mounts(services["prometheus"])["/etc/prometheus/targets"] == "./targets"


def test_what_shows_patients_is_open_to_this_machine_alone(services: dict[str, Any]) -> None:
    for name in ("ecgmon", "prometheus", "grafana"):
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"]), name
