"""Keeps parts of an existing service in an adoption: its network, version, dependencies and models."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen.files import reading
from natsgen.files.tree import File, Tree

PROJECT = PurePosixPath("pyproject.toml")
EVENTS = PurePosixPath("src/domain/events.py")
KEPT_EVENTS = PurePosixPath("src/domain/adopted_events.py")
REPLACED = {"python-consul", "python-dotenv"}  # by py-consul, and by pydantic-settings' own requirement
_NETWORK = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*\Z")
_COMMENT = re.compile(r"\s+#.*|^#.*")


def network(files: Iterable[Path]) -> str:
    """Return the first external Docker network in these compose files; "" if there is none."""
    import yaml

    for file in files:
        try:
            document = yaml.safe_load(reading.read_text(file))
        except (OSError, ValueError, yaml.YAMLError, RecursionError):
            continue
        found = document.get("networks") if isinstance(document, dict) else None
        for key, options in found.items() if isinstance(found, dict) else ():
            if not isinstance(options, dict) or not options.get("external"):
                continue
            external = options["external"]
            name = options.get("name") or (external.get("name") if isinstance(external, dict) else None) or key
            if isinstance(name, str) and _NETWORK.match(name):
                return name
    return ""


def project(service: Path, made: File | None, pinned: Iterable[str]) -> tuple[File | None, list[str]]:
    """Return the template's pyproject.toml with the version and the additional dependencies of the service.

    Args:
        service: the service's folder.
        made: the template's pyproject.toml; None if it has none.
        pinned: the packages that the template pins.

    Returns:
        The file, and the added dependencies.
    """
    import tomlkit

    if made is None:
        return None, []
    document: Any = tomlkit.parse(made.content.decode())
    old = _project(service)
    if isinstance(version := old.get("version"), str):
        document["project"]["version"] = version
    dependencies = document["project"]["dependencies"]
    known = {name_of(one) for one in dependencies} | {*pinned} | REPLACED
    added = {name_of(one): one for one in reversed([*_dependencies(service, old)]) if name_of(one) not in known}
    for name in sorted(added):
        dependencies.insert(len(dependencies), added[name])
    return File(tomlkit.dumps(document).encode(), made.executable), [added[name] for name in sorted(added)]


def events(there: Tree, made: Tree, folder: PurePosixPath) -> tuple[str, ...]:
    """Return the classes and functions in the service's events.py that the template's lacks."""
    old, new = (set(_defined(tree.get(folder / EVENTS))) for tree in (there, made))
    return tuple(sorted(old - new))


def name_of(dependency: str) -> str:
    """Return the normalized name of a dependency such as `nats-py[nkeys]>=2.6`; "" if it has none."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        return canonicalize_name(Requirement(dependency).name)
    except InvalidRequirement:
        return ""


def _dependencies(service: Path, old: Any) -> Iterator[str]:
    """Yield the dependencies of a service, those in pyproject.toml first."""
    named = old.get("dependencies", [])
    lines = list(named) if isinstance(named, list) else []
    with suppress(OSError, ValueError):
        pins = reading.read_text(service / "requirements.txt")
        lines += [] if named and "--hash=" in pins else pins.splitlines()  # a lock file lists indirect ones as well
    for line in lines:
        text = _COMMENT.sub("", line).rstrip("\\").strip() if isinstance(line, str) else ""
        if name_of(text):
            yield text


def _project(service: Path) -> Any:
    try:
        found = tomllib.loads(reading.read_text(service / PROJECT)).get("project", {})
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _defined(file: File | None) -> Iterator[str]:
    try:
        module = ast.parse(file.content if file else b"")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    yield from (one.name for one in module.body if isinstance(one, ast.ClassDef | ast.FunctionDef))
