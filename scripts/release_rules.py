"""Check for `make release` that a new template does not break the update of existing services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from natsgen.update import migrations

# Each runs programs on the user's machine: Copier asks for --trust, and natsgen never gives it.
UNTRUSTED = ("_tasks", "_migrations", "_jinja_extensions")
FIXED = ("_subdirectory", "_answers_file")  # natsgen finds the template and the answers there, in every version


def breaking(old: Mapping[str, Any], new: Mapping[str, Any], version: str) -> Iterator[str]:
    """Yield what in a new copier.yml would break the update of a service that was created with the old one.

    Args:
        old: copier.yml of the last release; empty if there is none.
        new: copier.yml of the new release.
        version: the version of the new release; its migrations may do what a merge cannot.
    """
    for key in UNTRUSTED:
        if new.get(key):
            yield f"copier.yml has {key}, which runs code on the user's machine: remove it"
    if not old:
        return
    for key in FIXED:
        if old.get(key) != new.get(key):
            yield f"copier.yml changes {key}, on which natsgen relies in every version: restore it"
    migrated = any(one.version == f"v{version}" for one in migrations.MIGRATIONS)
    for key, question in _questions(old).items():
        if key not in _questions(new):
            if not migrated:
                yield f"the question {key} was removed, but services answered it: keep it, or migrate the answers"
        elif not migrated:
            yield from _narrower(key, question, _questions(new)[key])
    for key, question in _questions(new).items():
        if key not in _questions(old) and "default" not in question:
            yield f"the new question {key} has no default, and no service has an answer to it: add a default"


def _narrower(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield how a question no longer accepts the answers that it did."""
    if old.get("type") != new.get("type"):
        yield f"the question {key} changes its type from {old.get('type')} to {new.get('type')}"
    if "default" in old and "default" not in new:
        yield f"the question {key} loses its default"
    if new.get("choices") and (lost := _values(old.get("choices")) - _values(new["choices"])):
        yield f"the question {key} no longer accepts {', '.join(sorted(lost))}"


def _values(choices: Any) -> set[str]:
    return {str(value) for value in (choices.values() if isinstance(choices, dict) else choices or ())}


def _questions(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {key: value for key, value in document.items() if not key.startswith("_")}
