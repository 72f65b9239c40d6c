"""Requirements files as they have to be: every package with its version and hashes, and no address of an index."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from natsgen.smoke.steps import CheckFailed

FILES = ("requirements.txt", "requirements-dev.txt")


def check(folder: Path) -> str:
    """Checks the requirements files of a service.

    Raises:
        CheckFailed: a package is not pinned, has no hash, or is wanted by pyproject.toml and not there.
    """
    pinned = {name for file in FILES for name in _checked(folder / file)}
    run_time = set(_checked(folder / FILES[0]))
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [one for group in project.get("dependency-groups", {}).values() for one in group if isinstance(one, str)]
    for wanted, there, file in (
        (project["project"].get("dependencies", []), run_time, FILES[0]),
        (groups, pinned, FILES[1]),
    ):
        for requirement in wanted:
            name = _normal(re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0])
            if name not in there:
                raise CheckFailed(f"{file} has no {name}, which pyproject.toml asks for: pin the requirements again")
    return f"{len(pinned)} packages"


def _checked(file: Path) -> Iterator[str]:
    text = file.read_text(encoding="utf-8")
    if "://" in text:
        raise CheckFailed(f"{file.name} names an address: {_line_with('://', text)}")
    for block in text.replace("\\\n", " ").splitlines():
        if not block or not block[0].isalnum():
            continue
        name = re.split(r"[\[=<>~;@ ]", block, maxsplit=1)[0]
        if "==" not in block:
            raise CheckFailed(f"{file.name}: {name} is not pinned to one version")
        if "--hash=sha256:" not in block:
            raise CheckFailed(f"{file.name}: {name} has no hash")
        yield _normal(name)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _line_with(part: str, text: str) -> str:
    return next(line.strip() for line in text.splitlines() if part in line)
