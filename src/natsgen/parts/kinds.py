"""What a service has any number of, each in a file of its own with a test of its own: handlers and actions, for two."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar, Protocol

from natsgen.workspace import SERVICES


@dataclass(frozen=True)
class PartKind:
    """A kind of part.

    Attributes:
        noun: what one of them is called.
        question: the question of the template that asks for them: a mapping by name.
        folder: where their files are, in the service's folder.
        tests: where the tests of them are.
        prefix: what the name of a part's function begins with, before the part's.
        needs: the packages that its parts do not work without; see `packages`.
    """

    noun: str
    question: str
    folder: PurePosixPath
    tests: PurePosixPath
    prefix: str = ""
    needs: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """What the name of a part's file, and of its test, ends with."""
        return f"_{self.noun}.py"

    def file(self, name: str) -> PurePosixPath:
        """Where the part of that name is, in its service's folder."""
        return self.folder / f"{name}{self.suffix}"

    def test(self, name: str) -> PurePosixPath:
        """Where the test of the part of that name is, in its service's folder."""
        return self.tests / f"test_{name}{self.suffix}"

    def paths(self, service: str, name: str) -> tuple[PurePosixPath, PurePosixPath]:
        """Where the part of that name and its test are, in the workspace."""
        folder = PurePosixPath(SERVICES, service)
        return folder / self.file(name), folder / self.test(name)


class Part(Protocol):
    """A handler or an action, for example, as a command makes its file."""

    @property
    def name(self) -> str:
        """The name of its file, and its key in the answer to its kind's question."""

    def answer(self) -> Any:
        """What the answer says of it."""


class PartFile(Protocol):
    """The file of a part as it was found."""

    kind: ClassVar[PartKind]

    @property
    def path(self) -> PurePosixPath:
        """Where it is, in the service's folder."""

    @property
    def name(self) -> str:
        """The name of the part that a file of this name is made for."""

    @property
    def names(self) -> Sequence[str]:
        """The names of the parts that are in it."""

    @property
    def error(self) -> str:
        """Why it cannot be read; "" if it can."""

    def as_made(self) -> Part:
        """The part that a command would have made the file for, if it has made it.

        Raises:
            InputError: no command makes such a file.
        """


def _kind(noun: str, place: str, prefix: str = "", package: str = "") -> PartKind:
    question = f"{noun}s"
    folder, tests = PurePosixPath(place, question), PurePosixPath("tests", question)
    return PartKind(noun, question, folder, tests, prefix, (package or question,))


HANDLERS = _kind("handler", "src/domain", "handle_")
ACTIONS = _kind("action", "src/domain")
ROUTES = _kind("route", "src/web", package="web")
TASKS = _kind("task", "src/domain")
PUBLISHERS = _kind("publisher", "src/domain", "make_")
SUBSCRIBERS = _kind("subscriber", "src/domain", "hear_")
KINDS = (HANDLERS, ACTIONS, ROUTES, TASKS, PUBLISHERS, SUBSCRIBERS)


def kind_of(is_gateway: bool, there: Collection[PartKind]) -> str:
    """What a service is called that has parts of these kinds, and perhaps a web framework.

    A gateway has a framework; a worker handles events or does tasks; a service answers requests. What does neither is a
    publisher or a subscriber, and a service where it is both.
    """
    if is_gateway:
        return "gateway"
    if HANDLERS in there or TASKS in there:
        return "worker"
    only = next(iter(there)) if len(there) == 1 else None
    return only.noun if only in (PUBLISHERS, SUBSCRIBERS) else "service"


def is_persons_own(path: PurePosixPath) -> bool:
    """Whether a path in a service's folder is a part or a part's test: those are for a person to change."""
    return any(path.parent in (kind.folder, kind.tests) and path.name.endswith(kind.suffix) for kind in KINDS)
