"""What a new template may not do to the services that there are: for `make release`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from natsgen.update import migrations

# What would run programs on a person's machine; Copier asks for --trust, and natsgen never gives it.
UNTRUSTED = ("_tasks", "_migrations", "_jinja_extensions")
FIXED = ("_subdirectory", "_answers_file")
"""Where natsgen finds things in every version."""


def breaking(old: Mapping[str, Any], new: Mapping[str, Any], version: str) -> Iterator[str]:
    """What in a new copier.yml would break the update of a service that was made with the old one.

    Args:
        old: the last release's; empty if there is none.
        new: the one to be released.
        version: of the new one; its migrations may do what a merge cannot.
    """
    for key in UNTRUSTED:
        if new.get(key):
            yield f"copier.yml has {key}, which runs code on the machine of whoever makes or updates a service"
    if not old:
        return
    for key in FIXED:
        if old.get(key) != new.get(key):
            yield f"copier.yml changes {key}, by which natsgen finds things"
    migrated = any(one.version == f"v{version}" for one in migrations.MIGRATIONS)
    for key, question in _questions(old).items():
        if key not in _questions(new):
            if not migrated:
                yield f"the question {key} is gone, and services have answers to it: keep it, or migrate the answers"
        elif not migrated:
            yield from _narrower(key, question, _questions(new)[key])
    for key, question in _questions(new).items():
        if key not in _questions(old) and "default" not in question:
            yield f"the question {key} has no default, and no service that there is has an answer to it"


def _narrower(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What answers that were right are no longer."""
    if old.get("type") != new.get("type"):
        yield f"the question {key} changes its type, from {old.get('type')} to {new.get('type')}"
    if "default" in old and "default" not in new:
        yield f"the question {key} loses its default"
    if new.get("choices") and (lost := _values(old.get("choices")) - _values(new["choices"])):
        yield f"the question {key} no longer takes {', '.join(sorted(lost))}"


def _values(choices: Any) -> set[str]:
    return {str(value) for value in (choices.values() if isinstance(choices, dict) else choices or ())}


def _questions(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {key: value for key, value in document.items() if not key.startswith("_")}
