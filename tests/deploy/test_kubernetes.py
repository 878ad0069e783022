"""The manifests, by Kubernetes' schemas, and beside the daemon that they run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecgmon.monitor.settings import load
from ecgmon.sources.mqtt import MqttSettings
from tests.deploy.dockerfile import read

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
BASE = DEPLOY / "kubernetes" / "base"
MANIFESTS = sorted(
    file.name for file in BASE.glob("*.yaml") if file.name not in {"kustomization.yaml", "serve.yaml"}
)
OLDEST, NEWEST = "1.27", "1.35"
"""Versions of Kubernetes; what both take, those between do."""


def validate(manifest: dict[str, Any]) -> None:
    """Raises where a schema is broken, or a key is in none."""
    import kubernetes_validate

    for version in (OLDEST, NEWEST):
        kubernetes_validate.validate(manifest, version, strict=True)


def kustomized(name: str) -> list[dict[str, Any]]:
    """What ``kubectl apply -k`` would send."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    command = ["kubectl", "kustomize", str(DEPLOY / "kubernetes" / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def daemon(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [each for each in manifests if each["kind"] == "StatefulSet"]
    return dict(found["spec"]["template"]["spec"])


@pytest.fixture
def pod() -> dict[str, Any]:
    return daemon([yaml.safe_load((BASE / "statefulset.yaml").read_text())])


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_fits_its_schema(name: str) -> None:
    validate(yaml.safe_load((BASE / name).read_text()))


def test_a_wrong_manifest_would_be_noticed(pod: dict[str, Any]) -> None:
    import kubernetes_validate

    pod["containers"][0]["livenesProbe"] = {}
    wrong = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod}
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(wrong)


@pytest.mark.parametrize("name", ["base", "gpu"])
def test_what_kustomize_makes_fits_the_schemas(name: str) -> None:
    manifests = kustomized(name)
    assert {each["kind"] for each in manifests} == {
        "Namespace", "ConfigMap", "Service", "StatefulSet", "NetworkPolicy"
    }  # fmt: skip
    for manifest in manifests:
        validate(manifest)
        assert manifest["metadata"].get("namespace", "ecgmon") == "ecgmon"


def test_the_gpu_is_asked_for_with_the_cuda_image_and_nowhere_else() -> None:
    plain, gpu = daemon(kustomized("base")), daemon(kustomized("gpu"))
    assert "nvidia.com/gpu" not in plain["containers"][0]["resources"]["limits"]
    assert gpu["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {each["image"] for each in gpu["containers"] + gpu["initContainers"]} == {"ecgmon:0.1.0-cuda"}
    assert gpu["containers"][0]["startupProbe"] == plain["containers"][0]["startupProbe"]


def test_the_pod_is_given_longer_than_the_daemon_takes_to_stop(pod: dict[str, Any]) -> None:
    assert pod["terminationGracePeriodSeconds"] > load(BASE / "serve.yaml").shutdown_seconds + 5


def test_probes_ask_the_pages_that_the_daemon_has(pod: dict[str, Any]) -> None:
    settings = load(BASE / "serve.yaml")
    (container,) = pod["containers"]
    (port,) = container["ports"]
    assert port["containerPort"] == settings.http.port
    assert settings.http.host == "0.0.0.0"  # noqa: S104 - the probe comes from the node
    pages = {
        kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")
    }
    assert pages == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 120


def test_mounts_user_and_cache_are_those_of_image_and_configuration(pod: dict[str, Any]) -> None:
    image, settings = read()["run"], load(BASE / "serve.yaml")
    mounts = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert (
        image.last("USER") == f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    )
    assert f"NUMBA_CACHE_DIR={mounts['compiled']}" in image.last("ENV")
    assert mounts["state"] == settings.state_dir
    assert image.words("CMD")[-1] == f"{mounts['config']}/serve.yaml"
    (secret,) = [each["secret"] for each in pod["volumes"] if "secret" in each]
    given = {f"{mounts['broker']}/{item['path']}" for item in secret["items"]}
    assert isinstance(settings.source, MqttSettings)
    broker = settings.source.broker
    assert given == {broker.password_file, broker.tls.ca_file}


def test_the_secret_is_made_by_the_command_of_the_readme(pod: dict[str, Any], tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    lines = (DEPLOY / "README.md").read_text().replace("\\\n", " ").splitlines()
    (line,) = [each for each in lines if "create secret generic ecgmon-broker" in each]
    for file in ("ca.pem", "users/ecgmon/password"):
        (tmp_path / "secrets" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "secrets" / file).write_text("x")
    done = subprocess.run(
        ["sh", "-c", f"{line} --dry-run=client --output=yaml"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = yaml.safe_load(done.stdout)
    validate({**made, "metadata": {"name": made["metadata"]["name"]}})
    (secret,) = [each["secret"] for each in pod["volumes"] if "secret" in each]
    assert made["metadata"]["name"] == secret["secretName"]
    assert set(made["data"]) == {item["key"] for item in secret["items"]}


def test_containers_can_change_nothing_but_their_volumes(pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in pod["containers"] + pod["initContainers"]:
        confined = container["securityContext"]
        assert confined["readOnlyRootFilesystem"] is True
        assert confined["allowPrivilegeEscalation"] is False
        assert confined["capabilities"] == {"drop": ["ALL"]}


def test_the_configuration_is_that_of_the_compose_file() -> None:
    assert (BASE / "serve.yaml").read_text() == (DEPLOY / "compose" / "serve.yaml").read_text()
