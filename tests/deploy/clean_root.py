"""Carries out the Dockerfile's steps in a clean Debian, and runs what comes of it. As root::

    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm /tmp/clean
    python -m tests.deploy.clean_root --base /tmp/clean --work /tmp/image

Each stage is a copy of the base; ``RUN`` is what the Dockerfile says, in a chroot, with its environment,
folder and user. ``--share PATH`` shows a file or folder of this machine there, for a package mirror and its
certificates; variables ``PIP_*`` are handed on. Then, with times cut to seconds as in layers of images, the
image's command runs as the image's user over the simulator: the health check passes, alerts come, nothing is
compiled anew, and SIGTERM ends it well. The stage that makes the broker's secrets is tried out, too.

What it cannot show: Docker's own parts (layers, mounts, networks), and the images that the stages begin with.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.dockerfile import Stage, expand, read

ROOT = Path(__file__).resolve().parents[2]
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


class Root:
    """A stage's file system, with the state that instructions set."""

    def __init__(self, folder: Path, base: Path, shares: list[Path]) -> None:
        self.folder = folder
        self._shares = shares
        self.environment = {"PATH": PATH, **{k: v for k, v in os.environ.items() if k.startswith("PIP_")}}
        self.arguments: dict[str, str] = {}
        self.user, self.workdir = "0:0", "/"
        subprocess.run(["cp", "-a", "--reflink=auto", base, folder], check=True)
        python = folder / "usr/local/bin/python"
        if not python.exists():  # Debian calls it python3 alone, the official image has both names
            python.symlink_to("/usr/bin/python3")

    def command(self, words: list[str]) -> list[str]:
        given = [f"{name}={value}" for name, value in (self.arguments | self.environment).items()]
        script = f"cd {shlex.quote(self.workdir)} && exec {shlex.join(words)}"
        return [
            "chroot",
            f"--userspec={self.user}",
            str(self.folder),
            "/usr/bin/env",
            "-i",
            *given,
            "/bin/sh",
            "-c",
            script,
        ]

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Devices, processes and what is shared are there; they are unmounted whatever happens."""
        places = [Path("/dev"), Path("/proc"), *self._shares]
        mounted: list[Path] = []
        try:
            for place in places:
                target = self.folder / place.relative_to("/")
                if place.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                else:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.touch()
                subprocess.run(["mount", "--rbind", place, target], check=True)
                mounted.append(target)
            yield
        finally:
            for target in reversed(mounted):
                subprocess.run(["umount", "--recursive", "--lazy", target], check=True)


def build(stage: Stage, work: Path, base: Path, shares: list[Path]) -> Root:
    root = Root(work / stage.name, base, shares)
    with root.mounted():
        for word, text in stage.steps:
            print(f"[{stage.name}] {word} {text[:100]}", flush=True)
            if word in _STEPS:
                _STEPS[word](root, text, work)
    return root


def _run(root: Root, text: str, _work: Path) -> None:
    subprocess.run(root.command(["/bin/sh", "-c", text]), check=True)


def _copy(root: Root, text: str, work: Path) -> None:
    *sources, target = text.split()
    origin, allowed = ROOT, True
    if sources[0].startswith("--from="):
        origin, allowed = work / sources.pop(0).removeprefix("--from="), False
    into = root.folder / (Path(root.workdir) / target).relative_to("/")
    for path in [origin / source.lstrip("/") for source in sources]:
        if allowed:
            _in_context(path)
        goal = into / path.name if len(sources) > 1 or text.endswith("/") else into
        goal.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__") if allowed else None
            shutil.copytree(path, goal, symlinks=True, ignore=ignored)
        else:
            shutil.copy(path, goal)


def _in_context(path: Path) -> None:
    """``.dockerignore`` lets the path through."""
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    name = str(path.relative_to(ROOT))
    if not any(fnmatch.fnmatch(name, each) for each in kept):
        raise SystemExit(f"COPY {name}: .dockerignore leaves it out")


def _env(root: Root, text: str, _work: Path) -> None:
    for word in shlex.split(text):
        name, _, value = word.partition("=")
        root.environment[name] = expand(value, root.environment)


def _arg(root: Root, text: str, _work: Path) -> None:
    name, _, value = text.partition("=")
    root.arguments[name] = value


def _user(root: Root, text: str, _work: Path) -> None:
    root.user = text


def _workdir(root: Root, text: str, _work: Path) -> None:
    root.workdir = text
    (root.folder / text.lstrip("/")).mkdir(parents=True, exist_ok=True)


_STEPS = {"RUN": _run, "COPY": _copy, "ENV": _env, "ARG": _arg, "USER": _user, "WORKDIR": _workdir}


def try_out(root: Root, stage: Stage) -> None:
    """The image's command as its user, over the simulator."""
    _cut_times(root.folder / "opt")
    _cut_times(root.folder / "var/cache")
    config = root.folder / "etc/ecgmon/serve.yaml"
    config.parent.mkdir()
    config.write_text(
        "source: {type: simulator, streams: 2, speed: 5, rates: {run: 600}}\n"
        "sinks: [{type: jsonl, path: /var/lib/ecgmon/alerts.jsonl}]\nstate_dir: /var/lib/ecgmon\n"
    )
    compiled = _compiled(root)
    with root.mounted():
        began = time.monotonic()
        process = subprocess.Popen(root.command([*stage.words("ENTRYPOINT"), *stage.words("CMD")]))
        try:
            health = root.command(stage.words("HEALTHCHECK"))
            alerts = root.folder / "var/lib/ecgmon/alerts.jsonl"
            _wait(
                lambda: subprocess.run(health, capture_output=True, check=False).returncode == 0,
                "health check",
            )
            _wait(lambda: alerts.exists() and alerts.stat().st_size > 0, "an alert")
            print(f"healthy, and an alert after {time.monotonic() - began:.1f} s")
            status = Path(f"/proc/{process.pid}/status").read_text()
            uid = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1]
            process.send_signal(signal.SIGTERM)
            code = process.wait(30)
        finally:
            process.kill()
            process.wait()
    new = len(_compiled(root) - compiled)
    print(f"user {uid}, exit {code}, {len(compiled)} compiled files, {new} of them new")
    if (
        uid != stage.last("USER").partition(":")[0]
        or code != 0
        or not compiled
        or _compiled(root) != compiled
    ):
        raise SystemExit("the image does not do what it should")


def try_secrets(root: Root, stage: Stage) -> None:
    """The stage that makes certificates and passwords, with the owners that the compose file names."""
    root.environment |= {"BROKER_USER": "1883", "ECGMON_USER": "10001"}
    words = [*stage.words("ENTRYPOINT"), "/secrets", "mosquitto,localhost", "ecgmon", "display", "bed-1"]
    with root.mounted():
        subprocess.run(root.command(words), check=True)
    folder = root.folder / "secrets"
    owners = {
        folder / "broker" / "server.key": 1883,
        folder / "broker" / "passwords": 1883,
        folder / "users" / "ecgmon" / "password": 10001,
        folder / "users" / "bed-1" / "password": 0,
    }
    if {file: file.stat().st_uid for file in owners} != owners:
        raise SystemExit("secrets do not belong to who reads them")


def _compiled(root: Root) -> set[tuple[str, int]]:
    files = (root.folder / "var/cache/ecgmon").rglob("*.nb[ic]")
    return {(str(file), file.stat().st_mtime_ns) for file in files}


def _cut_times(folder: Path) -> None:
    for path in folder.rglob("*"):
        at = int(path.lstat().st_mtime)
        os.utime(path, (at, at), follow_symlinks=False)


def _wait(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", type=Path, required=True, help="what debootstrap made")
    parser.add_argument("--work", type=Path, required=True, help="folder for the stages; must not exist")
    parser.add_argument("--share", type=Path, action="append", default=[], metavar="PATH")
    parser.add_argument("--argument", action="append", default=[], metavar="NAME=VALUE", help="of the build")
    args = parser.parse_args()
    if os.geteuid():
        sys.exit("clean_root: needs root, for chroot")
    args.work.mkdir(parents=True)
    stages = read(given=dict(each.split("=", 1) for each in args.argument))
    shares = [Path("/etc/resolv.conf"), *args.share]
    for name in ("wheel", "install", "run"):
        root = build(stages[name], args.work, args.base, shares)
    try_out(root, stages["run"])
    try_secrets(build(stages["secrets"], args.work, args.base, shares), stages["secrets"])
    print("good")


if __name__ == "__main__":
    main()
