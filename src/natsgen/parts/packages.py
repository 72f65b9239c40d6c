"""The packages of a service: runtime code that a kind of part, an answer or an extra needs, and which services have it.

A package is found by its files and listed nowhere: a service has it when its marker is there. What is in no package is
the core, which every service has. copier.yml has the same table for plain Copier; a unit test compares the two.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen import messages
from natsgen.parts.handlers import HANDLERS, FoundHandler, Handler
from natsgen.parts.kind import Part, PartKind
from natsgen.parts.kinds import KINDS

QUESTION = "packages"
"""The question of the template that is never asked: the packages that are rendered."""

EXTRAS = "extras"
"""The question of the template that a person asks for packages with."""


BATCH = "batch"
"""The package of handlers that take a list, and the option that makes them."""


@dataclass(frozen=True)
class Package:
    """A package.

    Attributes:
        name: what it is called.
        summary: what it is for, on one line.
        paths: its files and folders below the service's folder, as globs. Several packages may list the same path: it
            is there as long as one of them is. The first is of this package alone.
        needs: the packages that it does not work without.
        is_extra: whether a person may ask for it.
    """

    name: str
    summary: str
    paths: tuple[str, ...]
    needs: tuple[str, ...] = ()
    is_extra: bool = False

    @property
    def marker(self) -> str:
        """Return the file that is there if, and only if, the package is."""
        first = self.paths[0]
        return first if first.endswith(".py") else f"{first}/__init__.py"


def _extra(name: str, summary: str, *paths: str, needs: tuple[str, ...] = ("toolkit",)) -> Package:
    """Return a package that a person may ask for."""
    return Package(name, summary, paths, needs, is_extra=True)


_TOOLKIT = ("src/toolkit/__init__.py", "src/toolkit/README.md")
_ORDERED = "src/toolkit/ordered_consumer.py"
_PUBSUB = "src/pubsub/__init__.py"
_TASKS = ("src/tasks", "src/domain/tasks", "tests/tasks")
_SCHEMAS = ("src/utils/schemas.py", "schemas", "tests/test_schemas.py")

# A package stands before those that it needs, here and in copier.yml.
PACKAGES: tuple[Package, ...] = (
    Package("handlers", "handlers of JetStream events", ("src/domain/handlers", "tests/handlers")),
    Package(BATCH, "calls handlers with many messages at once", ("src/batch",)),
    Package(
        "actions",
        "answers requests, as a NATS micro service",
        ("src/actions", "src/domain/actions", "tests/actions"),
        ("requests",),
    ),
    Package(
        "publishers",
        "publishes again and again",
        ("src/domain/publishers", "tests/publishers", _PUBSUB, "src/pubsub/publishers"),
    ),
    Package(
        "subscribers",
        "listens by core NATS",
        ("src/domain/subscribers", "tests/subscribers", _PUBSUB, "src/pubsub/subscribers"),
        ("requests",),
    ),
    _extra("tasks", "a task queue on JetStream", *_TASKS, needs=("kv", "toolkit")),  # for whoever only enqueues
    Package("web", "answers HTTP with FastAPI or Django", ("src/web", "tests/routes"), ("requests",)),
    Package("inbox", "keeps a redelivery from being handled twice", ("src/inbox",)),
    _extra(
        "sync",
        "NATS for code that is not asynchronous",
        *("src/toolkit/sync.py", "src/toolkit/background.py"),
        needs=("toolkit", "requests"),
    ),
    _extra(
        "schemas",
        "JSON schemas of the envelopes, and a test that keeps them current",
        *_SCHEMAS,
        needs=("messages", "cloudevents"),
    ),
    _extra("objects", "object stores: files of any size", "src/toolkit/objects.py", _ORDERED),
    _extra("tenancy", "subjects, keys and objects of one tenant", "src/toolkit/tenancy.py"),
    _extra("kv", "key-value buckets", "src/toolkit/kv.py", _ORDERED),
    _extra("streams", "nats-py's JetStream, for streams and consumers by hand", "src/toolkit/streams.py"),
    _extra(
        "batches",
        "many messages published at once, and publishers declared once",
        *("src/toolkit/batches.py", "src/toolkit/publishers.py"),
    ),
    _extra(
        "decoders",
        "payloads that are not JSON, such as MessagePack or Avro",
        *("src/toolkit/decoders.py", *_TOOLKIT),
        needs=(),
    ),
    _extra("messages", "the envelope EnvelopeMessage", "src/domain/messages.py", needs=()),
    _extra("cloudevents", "the envelope CloudEvent, as CloudEvents 1.0 has it", "src/domain/cloud_events.py", needs=()),
    Package(
        "toolkit",
        "what the packages for NATS's stores share",
        ("src/toolkit/connection.py", *_TOOLKIT),
    ),
    Package("requests", "requests and replies by core NATS", ("src/requests",)),
)

BY_NAME: Mapping[str, Package] = {package.name: package for package in PACKAGES}
EXTRA_NAMES: tuple[str, ...] = tuple(sorted(package.name for package in PACKAGES if package.is_extra))

_BY_ANSWER: Mapping[str, Mapping[str, str]] = {
    "envelope": {"message": "messages", "cloudevents": "cloudevents"},
    "dedup": {"nats-kv": "inbox", "redis": "inbox"},
    "framework": {"fastapi": "web", "django": "web"},
}


def found(service: Path) -> frozenset[str]:
    """Return the packages that are in a service's folder."""
    return frozenset(package.name for package in PACKAGES if (service / package.marker).is_file())


def closure(names: Iterable[str]) -> frozenset[str]:
    """Return the packages with all that they need, directly or not."""
    wanted = {name for name in names if name in BY_NAME}
    for package in PACKAGES:
        if package.name in wanted:
            wanted.update(package.needs)
    return frozenset(wanted)


def of_answers(answers: Mapping[str, Any]) -> frozenset[str]:
    """Return the packages that a service's answers ask for, apart from its parts; wrong answers ask for none."""
    chosen = {
        by_value[answers[key]]
        for key, by_value in _BY_ANSWER.items()
        if isinstance(answers.get(key), str) and answers[key] in by_value
    }
    return frozenset(chosen) | extras_of(answers)


def extras_of(answers: Mapping[str, Any]) -> frozenset[str]:
    """Return the extras that a service's answers ask for."""
    asked = answers.get(EXTRAS) or ()
    return frozenset(name for name in EXTRA_NAMES if isinstance(asked, list | tuple) and name in asked)


def kinds_in(service: Path, without: Collection[PurePosixPath] = ()) -> tuple[PartKind, ...]:
    """Return the kinds of which a service's folder has parts, leaving some files of it out of account."""
    return tuple(kind for kind in KINDS.values() if set(kind.paths_in(service)) - set(without))


def needed(service: Path, answers: Mapping[str, Any], without: Collection[PurePosixPath] = ()) -> frozenset[str]:
    """Return the packages that a service needs: its parts, its answers and its extras, and what those need.

    Args:
        service: its folder.
        answers: what it was made with, by question.
        without: files below the folder that do not count.
    """
    of_parts = {name for kind in kinds_in(service, without) for name in needs_of(service, kind, without)}
    return closure({*of_parts, *of_answers(answers)})


def needs_of(service: Path, kind: PartKind, without: Collection[PurePosixPath] = ()) -> frozenset[str]:
    """Return the packages that a service's parts of one kind do not work without, leaving some files out of account."""
    if kind is not HANDLERS:
        return frozenset(kind.needs)
    files = [file for file in kind.files_in(service) if file.path not in without]
    takes_list = any(isinstance(part, FoundHandler) and part.batch for file in files for part in file.parts)
    return frozenset(kind.needs) | ({BATCH} if takes_list else set())


def needs_of_part(part: Part) -> frozenset[str]:
    """Return the packages that a new part does not work without."""
    return frozenset(part.kind.needs) | ({BATCH} if isinstance(part, Handler) and part.batch else set())


def of_path(path: PurePosixPath) -> tuple[str, ...]:
    """Return the packages that a path below a service's folder belongs to; none if it is the core's."""
    return tuple(package.name for package in PACKAGES if any(_is_in(path, pattern) for pattern in package.paths))


def check_extras(value: Iterable[str]) -> list[str]:
    """Check the names of extras.

    Returns:
        Each of them once, sorted.

    Raises:
        InputError: there is no such extra; the message names the nearest and lists them all.
    """
    names = sorted(set(value))
    for name in names:
        if name not in EXTRA_NAMES:
            raise messages.unknown("there is no extra", name, EXTRA_NAMES)
    return names


def _is_in(path: PurePosixPath, pattern: str) -> bool:
    wanted = PurePosixPath(pattern).parts
    return len(path.parts) >= len(wanted) and all(map(fnmatchcase, path.parts, wanted))
