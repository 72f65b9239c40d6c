"""What a Dockerfile says of the image's last stage, read without building it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Image:
    """What the image will be.

    Attributes:
        bases: the images that it is made from, in order, its own stages left out.
        user: the user that it runs as; "" where none is named, which is root.
        health_check: the command of its health check, as words; empty without one.
    """

    bases: tuple[str, ...]
    user: str
    health_check: tuple[str, ...]

    @property
    def runs_as_root(self) -> bool:
        """Whether the program in it may do anything."""
        return self.user.partition(":")[0] in ("", "root", "0")


def read(file: Path) -> Image:
    """Reads a Dockerfile; only the instructions that `Image` needs are understood."""
    bases: list[str] = []
    stages: set[str] = set()
    user = ""
    health_check: tuple[str, ...] = ()
    for name, rest in _instructions(file.read_text(encoding="utf-8")):
        if name == "FROM":
            words = [word for word in rest.split() if not word.startswith("--")]
            if words[0] not in stages:
                bases.append(words[0])
            if len(words) == 3:
                stages.add(words[2])
            user, health_check = "", ()  # a new stage begins
        elif name == "USER":
            user = rest
        elif name == "HEALTHCHECK":
            health_check = _command(rest)
    return Image(tuple(dict.fromkeys(bases)), user, health_check)


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = re.sub(r"\\\n", " ", text).splitlines()
    split = [line.strip().partition(" ") for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return [(name.upper(), rest.strip()) for name, _, rest in split]


def _command(rest: str) -> tuple[str, ...]:
    _, found, command = rest.partition("CMD ")
    if not found:
        return ()
    if command.strip().startswith("["):
        return tuple(json.loads(command))
    return ("sh", "-c", command.strip())
