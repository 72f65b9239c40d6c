"""Compares two AsyncAPI documents: what changes for those that send and receive, and what breaks them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from natsgen import messages
from natsgen.contracts import compatibility
from natsgen.errors import GitError, InputError
from natsgen.files import git, reading, scratch
from natsgen.files.workspace import SERVICES
from natsgen.parts import naming


@dataclass(frozen=True)
class Change:
    """A change.

    Attributes:
        subject: the subject that it is about.
        text: what changes.
        is_breaking: whether others may fail because of it.
    """

    subject: str
    text: str
    is_breaking: bool


def load(file: Path) -> dict[str, Any]:
    """Return the document in a file.

    Raises:
        InputError: it is not a document of `natsgen asyncapi`.
    """
    try:
        found: dict[str, Any] = json.loads(reading.read_text(file))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read as JSON: {getattr(error, 'strerror', None) or error}") from error
    try:
        between(found, found)  # reads everything that a comparison reads
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError) as error:
        raise InputError(f"{file} is not a document of natsgen asyncapi") from error
    return found


@contextmanager
def checked_out(root: Path, revision: str) -> Iterator[Path]:
    """Provide the services of a workspace as they were at a git revision, in a scratch folder.

    Raises:
        InputError: there is no such revision.
    """
    try:
        named = git.run("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}", folder=root)
        packed = git.run("archive", "--format=tar", named.stdout.decode().strip(), "--", SERVICES, folder=root).stdout
    except GitError as error:
        raise InputError(
            f"--diff: {messages.quote(revision)} is neither a file nor a revision with services"
        ) from error
    with scratch.folder() as folder, tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter=_inside)
        yield folder


def _inside(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """Return a file to extract; None for a link that leads out of the folder."""
    try:
        return tarfile.data_filter(member, folder)
    except tarfile.FilterError:
        return None


def between(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return what changes from one document to another, by subject."""
    before, after = _operations(old), _operations(new)
    found: list[Change] = []
    gone = {key: one for key, one in before.items() if key not in after}
    added = {key: one for key, one in after.items() if key not in before}
    for key, one in gone.items():
        subject, does = key[1], one["action"]
        others = [other for other in after if after[other]["action"] == does and _covers(other[1], subject)]
        twins = [other for other in others if other in added]  # it has another name, or a wider subject
        if twins:
            twin = min(twins, key=lambda other: other[1] != subject)
            found += _changed(subject, old, one, new, after[twin])
            if twin[1] == subject:
                del added[twin]
        else:
            found.append(Change(subject, f"{key[0]} no longer {does}s it", not others))
    found += [Change(key[1], f"{key[0]} {one['action']}s it", False) for key, one in added.items()]
    for key in before.keys() & after.keys():
        found += _changed(key[1], old, before[key], new, after[key])
    return sorted(found, key=lambda one: (one.subject, not one.is_breaking, one.text))


def _covers(wider: str, subject: str) -> bool:
    return wider == subject or (">" not in subject and naming.matches(wider, subject))


def _operations(document: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return the operations by their names and subjects."""
    found = {}
    for name, one in document["operations"].items():
        channel = compatibility.target(document, one["channel"]["$ref"])
        found[name, str(channel["address"])] = one
    return found


def _changed(
    subject: str, old: Mapping[str, Any], one: Mapping[str, Any], new: Mapping[str, Any], other: Mapping[str, Any]
) -> Iterator[Change]:
    is_sent = one["action"] == "send"
    yield from _messages(subject, "", is_sent, (old, one), (new, other))
    if "reply" in one and "reply" in other:
        yield from _messages(subject, "reply: ", not is_sent, (old, one["reply"]), (new, other["reply"]))
    for key in sorted({*one, *other}):
        if key.startswith("x-nats-") and one.get(key) != other.get(key):
            yield Change(subject, f"{key} is {other.get(key)}, was {one.get(key)}", False)


def _messages(
    subject: str,
    prefix: str,
    is_sent: bool,
    old: tuple[Mapping[str, Any], Mapping[str, Any]],
    new: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> Iterator[Change]:
    """Yield the changes of a payload: a new one must fit those that read the old one, or that still send it."""
    before, after = _payload(*old), _payload(*new)
    if before is None or after is None:
        return
    was, now = (before, old[0]), (after, new[0])
    reader, writer = (was, now) if is_sent else (now, was)
    breaking = compatibility.problems(reader[0], writer[0], (reader[1], writer[1]))
    yield from (Change(subject, prefix + text, True) for text in breaking)
    had, has = (set(_paths(*one, set())) for one in (was, now))
    told = " ".join(breaking).split()
    for text, paths in (("is new", has - had), ("is gone", had - has)):
        yield from (Change(subject, f"{prefix}{path} {text}", False) for path in sorted(paths) if path not in told)


def _payload(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Mapping[str, Any] | None:
    message = compatibility.target(document, operation["messages"][0]["$ref"])
    found = compatibility.target(document, message["$ref"]).get("payload")
    return found if isinstance(found, Mapping) else None


def _paths(schema: Mapping[str, Any], root: Mapping[str, Any], seen: set[int], path: str = "") -> Iterator[str]:
    """Yield the paths of the fields in a schema; those of a model once."""
    for one in compatibility.alternatives(schema, root):
        if id(one) not in seen:
            seen.add(id(one))
            for name, inner in one.get("properties", {}).items():
                yield f"{path}.{name}".removeprefix(".")
                yield from _paths(inner, root, seen, f"{path}.{name}")
            if isinstance(one.get("items"), Mapping):
                yield from _paths(one["items"], root, seen, f"{path}[]")
