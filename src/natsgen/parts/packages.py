"""The packages of a service: runtime code that a kind of part, an answer or an extra needs, and deployment files.

A service has a package if the package's marker file exists. Everything outside the packages is the core, which every
service has. copier.yml has the same table for plain Copier; a unit test compares the two.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen import messages
from natsgen.parts import facts
from natsgen.parts.handlers import HANDLERS, FoundHandler, Handler
from natsgen.parts.kind import Part, PartKind
from natsgen.parts.kinds import KINDS

QUESTION = "packages"
"""The template's hidden question: the packages to render."""

EXTRAS = "extras"
"""The template's question for the extras."""

DEPLOY = "deploy"
"""The template's question for the deployment files."""

NOUNS = {EXTRAS: "extra", DEPLOY: "deploy"}
"""The names of what the user may add, by the template's question."""

BATCH = "batch"
"""The package for handlers of lists of events, and the option of such a handler."""


@dataclass(frozen=True)
class Package:
    """A package.

    Attributes:
        name: its name.
        summary: its purpose, on one line.
        paths: its files and folders below the service's folder, as globs. Several packages may list the same path; it
            exists as long as one of them does. The first path belongs to this package alone.
        needs: the packages that it needs.
        question: the template's question that asks for it, if the user may add it: `EXTRAS` or `DEPLOY`.
        shared: its files in the workspace, which all services with the package share.
        has_dependencies: whether it needs libraries or containers, so that other files of the service change as well.
    """

    name: str
    summary: str
    paths: tuple[str, ...]
    needs: tuple[str, ...] = ()
    question: str = ""
    shared: tuple[str, ...] = ()
    has_dependencies: bool = False

    @property
    def marker(self) -> str:
        """Return the file that exists if, and only if, the package does."""
        first = self.paths[0]
        return first if PurePosixPath(first).suffix else f"{first}/__init__.py"


def _extra(name: str, summary: str, *paths: str, needs: tuple[str, ...] = ("toolkit",)) -> Package:
    """Return a package that the user may add as an extra."""
    return Package(name, summary, paths, needs, EXTRAS)


def _deploy(name: str, summary: str, marker: str, *shared: str) -> Package:
    """Return deployment files that the user may add, in `deploy/<name>/`; `marker` is one of them."""
    paths = (f"deploy/{name}/{marker}", f"deploy/{name}", str(facts.RECORD))
    return Package(name, summary, paths, (), DEPLOY, shared)


_TOOLKIT = ("src/toolkit/__init__.py", "src/toolkit/README.md")
_ORDERED = "src/toolkit/ordered_consumer.py"
_PUBSUB = "src/pubsub/__init__.py"
_TASKS = ("src/tasks", "src/domain/tasks", "tests/tasks")
_SCHEMAS = ("src/utils/schemas.py", "schemas", "tests/test_schemas.py")

# A package comes before those that it needs, here and in copier.yml.
PACKAGES: tuple[Package, ...] = (
    Package("handlers", "handlers of JetStream events", ("src/domain/handlers", "tests/handlers")),
    Package(BATCH, "passes lists of messages to handlers", ("src/batch",)),
    Package(
        "actions",
        "answers requests, as a NATS micro service",
        ("src/actions", "src/domain/actions", "tests/actions"),
        ("requests",),
    ),
    Package(
        "publishers",
        "publishes on an interval",
        ("src/domain/publishers", "tests/publishers", _PUBSUB, "src/pubsub/publishers"),
    ),
    Package(
        "subscribers",
        "subscribes with core NATS",
        ("src/domain/subscribers", "tests/subscribers", _PUBSUB, "src/pubsub/subscribers"),
        ("requests",),
    ),
    _extra("tasks", "a task queue on JetStream", *_TASKS, needs=("kv", "toolkit")),  # an extra to enqueue only
    Package("web", "answers HTTP with FastAPI or Django", ("src/web", "tests/routes"), ("requests",)),
    Package("inbox", "prevents handling a redelivered message twice", ("src/inbox",)),
    _extra(
        "sync",
        "NATS for synchronous code",
        *("src/toolkit/sync.py", "src/toolkit/background.py"),
        needs=("toolkit", "requests"),
    ),
    _extra(
        "schemas",
        "JSON schemas of the envelopes, and a test that keeps them current",
        *_SCHEMAS,
        needs=("messages", "cloudevents"),
    ),
    _extra("objects", "object stores, for files of any size", "src/toolkit/objects.py", _ORDERED),
    _extra("tenancy", "subjects, keys and objects per tenant", "src/toolkit/tenancy.py"),
    _extra("kv", "key-value buckets", "src/toolkit/kv.py", _ORDERED),
    _extra("streams", "nats-py's JetStream API, to manage streams and consumers", "src/toolkit/streams.py"),
    _extra(
        "batches",
        "publishing in batches, and declared publishers",
        *("src/toolkit/batches.py", "src/toolkit/publishers.py"),
    ),
    _extra(
        "decoders",
        "payloads that are not JSON, such as MessagePack or Avro",
        *("src/toolkit/decoders.py", *_TOOLKIT),
        needs=(),
    ),
    _extra("messages", "the envelope EnvelopeMessage", "src/domain/messages.py", needs=()),
    _extra("cloudevents", "the envelope CloudEvent of CloudEvents 1.0", "src/domain/cloud_events.py", needs=()),
    Package(
        "otel",
        "OpenTelemetry traces and metrics",
        ("src/telemetry",),
        question=EXTRAS,
        shared=("compose/telemetry.yml",),
        has_dependencies=True,
    ),
    Package(
        "toolkit",
        "the common code of the extras for JetStream",
        ("src/toolkit/connection.py", *_TOOLKIT),
    ),
    Package("requests", "requests and replies with core NATS", ("src/requests",)),
    _deploy("catalog", "the service and its API in Backstage's catalog", "catalog-info.yaml"),
    _deploy("kubernetes", "Kubernetes manifests, with Kustomize and KEDA", "base/kustomization.yaml"),
    _deploy(
        "monitoring",
        "alerts for Prometheus and dashboards for Grafana",
        "rules.yml",
        *("compose/monitoring.yml", "compose/monitoring.json"),
    ),
)

BY_NAME: Mapping[str, Package] = {package.name: package for package in PACKAGES}
NAMES: Mapping[str, tuple[str, ...]] = {
    question: tuple(sorted(package.name for package in PACKAGES if package.question == question)) for question in NOUNS
}
"""The packages that the user may add, by the template's question."""

EXTRA_NAMES, DEPLOY_NAMES = NAMES[EXTRAS], NAMES[DEPLOY]

_BY_ANSWER: Mapping[str, Mapping[str, str]] = {
    "envelope": {"message": "messages", "cloudevents": "cloudevents"},
    "dedup": {"nats-kv": "inbox", "redis": "inbox"},
    "framework": {"fastapi": "web", "django": "web"},
}


def found(service: Path) -> frozenset[str]:
    """Return the packages that a service's folder contains."""
    return frozenset(package.name for package in PACKAGES if (service / package.marker).is_file())


def closure(names: Iterable[str]) -> frozenset[str]:
    """Return the packages and everything that they need, directly or indirectly."""
    wanted = {name for name in names if name in BY_NAME}
    for package in PACKAGES:
        if package.name in wanted:
            wanted.update(package.needs)
    return frozenset(wanted)


def of_answers(answers: Mapping[str, Any]) -> frozenset[str]:
    """Return the packages that a service's answers need, apart from its parts; invalid answers need none."""
    chosen = {
        by_value[answers[key]]
        for key, by_value in _BY_ANSWER.items()
        if isinstance(answers.get(key), str) and answers[key] in by_value
    }
    return frozenset(chosen).union(*(asked_for(question, answers) for question in NOUNS))


def asked_for(question: str, answers: Mapping[str, Any]) -> frozenset[str]:
    """Return the packages in a service's answer to `EXTRAS` or `DEPLOY`."""
    asked = answers.get(question) or ()
    return frozenset(name for name in NAMES[question] if isinstance(asked, list | tuple) and name in asked)


def kinds_in(service: Path, without: Collection[PurePosixPath] = ()) -> tuple[PartKind, ...]:
    """Return the kinds of parts in a service's folder, ignoring the files `without`."""
    return tuple(kind for kind in KINDS.values() if set(kind.paths_in(service)) - set(without))


def needed(service: Path, answers: Mapping[str, Any], without: Collection[PurePosixPath] = ()) -> frozenset[str]:
    """Return the packages that a service needs: its parts, its answers and its extras, and what those need.

    Args:
        service: the service's folder.
        answers: its answers, by question.
        without: files below the folder to ignore.
    """
    needed_by_parts = {name for kind in kinds_in(service, without) for name in needs_of(service, kind, without)}
    return closure({*needed_by_parts, *of_answers(answers)})


def needs_of(service: Path, kind: PartKind, without: Collection[PurePosixPath] = ()) -> frozenset[str]:
    """Return the packages that a service's parts of one kind need, ignoring the files `without`."""
    if kind is not HANDLERS:
        return frozenset(kind.needs)
    files = [file for file in kind.files_in(service) if file.path not in without]
    takes_list = any(isinstance(part, FoundHandler) and part.batch for file in files for part in file.parts)
    return frozenset(kind.needs) | ({BATCH} if takes_list else set())


def needs_of_part(part: Part) -> frozenset[str]:
    """Return the packages that a new part needs."""
    return frozenset(part.kind.needs) | ({BATCH} if isinstance(part, Handler) and part.batch else set())


def of_path(path: PurePosixPath) -> tuple[str, ...]:
    """Return the packages that a path below a service's folder belongs to; none if it belongs to the core."""
    return tuple(package.name for package in PACKAGES if any(_is_in(path, pattern) for pattern in package.paths))


def sharing(path: PurePosixPath) -> tuple[str, ...]:
    """Return the packages whose services share a file of the workspace."""
    return tuple(package.name for package in PACKAGES if str(path) in package.shared)


def check(question: str, value: Iterable[str]) -> list[str]:
    """Check the names of an answer to `EXTRAS` or `DEPLOY`.

    Returns:
        Each of them once, sorted.

    Raises:
        InputError: one does not exist; the message suggests the nearest and lists them all.
    """
    names = sorted(set(value))
    for name in names:
        if name not in NAMES[question]:
            raise messages.unknown(f"unknown {NOUNS[question]}", name, NAMES[question])
    return names


def _is_in(path: PurePosixPath, pattern: str) -> bool:
    wanted = PurePosixPath(pattern).parts
    return len(path.parts) >= len(wanted) and all(map(fnmatchcase, path.parts, wanted))
