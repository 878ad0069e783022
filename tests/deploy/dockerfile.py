"""What a Dockerfile says, read as far as ours goes: for tests that carry it out without Docker."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

DOCKERFILE: Final = Path(__file__).resolve().parents[2] / "deploy" / "docker" / "Dockerfile"

KNOWN: Final = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN", "USER",
    "VOLUME", "WORKDIR",
}  # fmt: skip


@dataclass(slots=True)
class Stage:
    """``FROM image AS name`` and the instructions that follow, in order."""

    name: str
    image: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def last(self, instruction: str) -> str:
        """What the last such instruction says."""
        return [text for word, text in self.steps if word == instruction][-1]

    def words(self, instruction: str) -> list[str]:
        """The same, where it is a JSON list, alone or behind options and ``CMD``."""
        text = self.last(instruction)
        found: list[str] = json.loads(text[text.index("[") :])
        return found


def read(path: Path = DOCKERFILE, given: Mapping[str, str] | None = None) -> dict[str, Stage]:
    """The stages by name; ``given`` are build arguments. An instruction that is not known is an error."""
    joined = re.sub(r"\\\n", "", re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE))
    stages: dict[str, Stage] = {}
    arguments: dict[str, str] = {}
    stage: Stage | None = None
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, text = line.partition(" ")
        if word not in KNOWN:
            raise ValueError(f"{path}: what does {word} mean?")
        if word == "FROM":
            image, _, name = expand(text, arguments).partition(" AS ")
            stage = stages[name] = Stage(name, image)
        elif stage is None:
            name, _, default = text.partition("=")
            arguments[name] = (given or {}).get(name, default)
        elif word == "ARG":
            name, _, default = text.partition("=")
            stage.steps.append((word, f"{name}={(given or {}).get(name, default)}"))
        else:
            stage.steps.append((word, text.strip()))
    return stages


def expand(text: str, values: Mapping[str, str]) -> str:
    """``$NAME`` and ``${NAME}`` replaced by their values."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: values.get(found[1] or found[2], ""), text)
