"""Pins the requirements of natsgen and of generated services: `make requirements`.

Writes `requirements-dev.txt`, `requirements-docs.txt` and `benchmarks/requirements.txt` of this repository, and the
template's `requirements.txt.jinja` and `requirements-dev.txt.jinja`, all with hashes and without addresses of a package
index. A package that is needed by some answers only is wrapped in a condition on these.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ROOT / "template" / "services" / "{{ service_name }}"
OPTIONAL: Mapping[str, Mapping[str, object]] = {
    'dedup == "redis"': {"dedup": "redis"},
    'framework == "django"': {"framework": "django"},
    'framework == "fastapi"': {"framework": "fastapi"},
    '"otel" in packages': {"packages": ["otel"]},
}
"""Answers that need further packages, by the condition for them in a template."""


def main() -> None:
    """Write all files."""
    lock(ROOT / "pyproject.toml", ROOT / "requirements-dev.txt", group="dev")
    lock(ROOT / "requirements-docs.in", ROOT / "requirements-docs.txt")
    lock(ROOT / "benchmarks" / "requirements.in", ROOT / "benchmarks" / "requirements.txt")
    with tempfile.TemporaryDirectory() as folder:
        runtime = lock_variants(Path(folder))
        development = lock_variants(Path(folder), group="dev")
    write(SERVICE / "requirements.txt.jinja", runtime)
    write(
        SERVICE / "requirements-dev.txt.jinja",
        {name: package for name, package in development.items() if name not in runtime},
        first="-r requirements.txt\n",
    )


@dataclass(frozen=True)
class Package:
    """A pinned package.

    Attributes:
        text: its lines.
        conditions: Jinja conditions of the answers that need it; none if every service needs it.
    """

    text: str
    conditions: tuple[str, ...] = ()


def lock_variants(folder: Path, group: str | None = None) -> dict[str, Package]:
    """Return the pinned packages that any answers need, by name, consistent with those locked into `folder` before."""
    found = {name: Package(text) for name, text in blocks(lock_service(folder, {}, group)).items()}
    for condition, given in OPTIONAL.items():
        for name, text in blocks(lock_service(folder, given, group)).items():
            known = found.get(name)
            if known is None or known.conditions:
                conditions = known.conditions if known else ()
                found[name] = Package(text, (*conditions, condition))
            elif known.text != text:
                raise SystemExit(f"{name} is pinned in one way for all services, and in another if {condition}")
    return found


def lock_service(folder: Path, given: Mapping[str, object], group: str | None = None) -> str:
    """Return the pinned requirements of a service with these answers, consistent with those locked before."""
    environment = Environment(keep_trailing_newline=True, autoescape=False)
    environment.filters["to_json"] = json.dumps
    answers: dict[str, object] = {
        "service_name": "service",
        "description": "",
        "bounded_context": "",
        "dedup": "none",
        "framework": "none",
        "packages": [],
        "publish_interval": "2",
        "queue_group": "",
    }
    project = folder / "pyproject.toml"
    project.write_text(
        environment.from_string((SERVICE / "pyproject.toml.jinja").read_text()).render(answers | dict(given))
    )
    constraints, locked = folder / "constraints.txt", folder / "requirements.txt"
    if constraints.exists():
        lock(project, locked, "--constraints", str(constraints), group=group)
    else:
        lock(project, locked, group=group)
        constraints.write_text(locked.read_text())
    return locked.read_text()


def lock(project: Path, target: Path, *options: str, group: str | None = None) -> None:
    """Pin a pyproject.toml, one of its groups, or a list of packages, for all platforms and Python from 3.11 on."""
    if group:
        options = (*options, "--group", f"{project}:{group}")
    subprocess.run(
        [
            *(str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet", "--universal", "--upgrade"),
            *("--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate"),
            *(str(project), "--output-file", str(target), *options),
        ],
        check=True,
    )


def blocks(locked: str) -> dict[str, str]:
    """Return the lines of each package, by its name."""
    found = re.split(r"^(?=[a-zA-Z0-9])", locked, flags=re.MULTILINE)
    return {re.split(r"[^a-zA-Z0-9._-]", block, maxsplit=1)[0]: block for block in found if block.strip()}


def write(target: Path, packages: dict[str, Package], first: str = "") -> None:
    """Write the template of a requirements file, its packages in order."""
    lines = ["# Pinned from pyproject.toml; README.md says how to add a dependency.\n", first]
    for name in sorted(packages):
        package = packages[name]
        text = package.text.rstrip("\n") + "\n"
        condition = " or ".join(package.conditions)
        lines.append(f"{{% if {condition} %}}{text}{{% endif %}}" if condition else text)
    target.write_text("".join(lines))


if __name__ == "__main__":
    main()
