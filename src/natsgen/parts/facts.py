"""The facts that a service's deployment files need: its kinds of parts, its consumers, and what it publishes to.

They are found in the source, so that the files follow it. copier.yml derives the same from the answers, for plain
Copier; a unit test compares the two. The file `RECORD` says from which facts the files of a service were rendered.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen.files import reading
from natsgen.files.tree import Tree
from natsgen.parts.handlers import HANDLERS, stream_for
from natsgen.parts.kind import FoundPart, PartKind
from natsgen.parts.kinds import KINDS
from natsgen.parts.publishers import PUBLISHERS
from natsgen.parts.tasks import NORMAL, PRIORITIES, TASKS, FoundTask, stream_of

Facts = Mapping[str, Any]

QUESTION = "facts"
"""The template's hidden question for the facts."""

RECORD = PurePosixPath("deploy/facts.json")
"""The file of a service with the facts that its deployment files were rendered from."""

DEFAULTS: Mapping[str, int] = {"concurrency": 1, "prefetch": 500, "max_ack_pending": 10_000, "ack_wait": 30}
"""The runtime's defaults of a subscription's options."""

_FORMS: Mapping[str, Mapping[str, Any]] = {
    "consumers": {
        **dict.fromkeys(("kind", "name", "subject", "stream", "durable", "deliver"), str),
        **{"concurrency": int, "prefetch": int, "max_ack_pending": int, "ack_wait": int | float},
    },
    "publishes": {"subject": str, "stream": str},
}


def of_source(service: Path, without: Collection[PurePosixPath] = (), added: Tree | None = None) -> Facts:
    """Return the facts in the source of a service.

    Args:
        service: the service's folder.
        without: files below it to ignore.
        added: files below it to read as well.
    """
    name = service.name
    known: dict[str, list[dict[str, Any]]] = {key: [] for key in _FORMS}
    unknown: list[str] = []

    def sort(part: FoundPart, found: list[dict[str, Any]], key: str) -> None:
        """Keep what is known completely: an expression has its value only at run time."""
        if all(_has_form(one, key) for one in found):
            known[key].extend(found)
        else:
            unknown.append(f"{part.kind.noun} {part.name}")

    for part in _parts(HANDLERS, service, without, added or {}):
        sort(part, [_of_handler(part, name)], "consumers")
        sort(part, _published_by(part), "publishes")
    for part in _parts(TASKS, service, without, added or {}):
        assert isinstance(part, FoundTask)
        sort(part, [_of_task(part, name, priority) for priority in PRIORITIES], "consumers")
    for part in _parts(PUBLISHERS, service, without, added or {}):
        if _option(part, "core", default=False) is False:
            sort(part, [_publication(part.first.literal if part.first else None, part)], "publishes")
    files = {path for kind in KINDS.values() for path in kind.paths_in(service)} - {*without} | {*(added or {})}
    kinds = sorted(kind.question for kind in KINDS.values() if any(kind.holds(path) for path in files))
    return {"kinds": kinds, **known, "unknown": sorted({*unknown})}


def recorded(service: Path) -> Facts | None:
    """Return the facts that a service's deployment files were rendered from; None if they are not known."""
    try:
        found = json.loads(reading.read_text(service / RECORD, reading.SOURCE_LIMIT))
    except (OSError, ValueError, RecursionError):
        return None
    return found if _is_valid(found) else None


def _is_valid(found: Any) -> bool:
    """Return whether a record has the form of facts: a merge of branches, or an editor, may have broken it."""
    if not isinstance(found, dict) or found.keys() != {"kinds", "consumers", "publishes", "unknown"}:
        return False
    return all(isinstance(value, list) for value in found.values()) and all(
        _has_form(one, key) for key in _FORMS for one in found[key]
    )


def _has_form(one: Any, key: str) -> bool:
    """Return whether an entry of the facts `key` has all values, each of its type."""
    return isinstance(one, dict) and all(isinstance(one.get(field), kind) for field, kind in _FORMS[key].items())


def _parts(kind: PartKind, service: Path, without: Collection[PurePosixPath], added: Tree) -> Iterator[FoundPart]:
    """Yield the parts of one kind, sorted by name."""
    files = [file for file in kind.files_in(service) if file.path not in without and file.path not in added]
    found = [part for file in files for part in file.parts]
    for path, file in added.items():
        if kind.holds(path):
            found.extend(kind.found.all_in(ast.parse(file.content)))
    yield from sorted(found, key=lambda part: part.name)


def _of_handler(part: FoundPart, service: str) -> dict[str, Any]:
    subject = part.first.literal if part.first else None
    durable = _option(part, "durable", default=f"{service}-{part.name}")
    stream = _option(part, "stream", default=stream_for(subject))
    numbers = {key: _option(part, key, default=default) for key, default in DEFAULTS.items()}
    deliver = _option(part, "deliver", default="all")
    return _consumer(part, subject, stream, durable) | {"deliver": deliver, **numbers}


def _of_task(part: FoundTask, service: str, priority: str) -> dict[str, Any]:
    name, queue = part.first.literal if part.first else None, part.queue.literal
    durable = f"{service}-{name}" + ("" if priority == NORMAL else f"-{priority}")
    known = _consumer(part, f"queue.{queue}.{priority}.{name}", stream_of(str(queue)), durable)
    numbers = {key: _option(part, key, default=default) for key, default in DEFAULTS.items()}
    if _option(part, "prefetch", default=0) == 0:
        numbers["prefetch"] = numbers["concurrency"]
    return known | {"name": name, "deliver": queue and "all", "priority": priority, **numbers}


def _consumer(part: FoundPart, subject: Any, stream: Any, durable: Any) -> dict[str, Any]:
    return {"kind": part.kind.noun, "name": part.name, "subject": subject, "stream": stream, "durable": durable}


def _published_by(part: FoundPart) -> list[dict[str, Any]]:
    given = part.options.get("publishes")
    if given is None:
        return []
    try:
        subjects = ast.literal_eval(given.source)
    except (ValueError, SyntaxError, TypeError):
        subjects = None
    if not isinstance(subjects, list | tuple):
        return [{"subject": None}]
    return [_publication(subject, None) for subject in subjects]


def _publication(subject: Any, part: FoundPart | None) -> dict[str, Any]:
    stream = stream_for(subject) if part is None else _option(part, "stream", default=stream_for(subject))
    return {"subject": subject, "stream": stream}


def _option(part: FoundPart, key: str, default: Any) -> Any:
    """Return the value of an option; None if it is an expression."""
    value = part.given(key)
    return value.literal if value else default
