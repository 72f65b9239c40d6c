"""One handler as the answers say it: its subject and options, and the files that belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from natsgen import naming
from natsgen.errors import InputError

HANDLER_FOLDER = PurePosixPath("src/domain/handlers")
TEST_FOLDER = PurePosixPath("tests/handlers")
SUFFIX = "_handler.py"
OPTIONS = ("subject", "durable", "concurrency", "batch")


@dataclass(frozen=True)
class Handler:
    """A handler.

    Attributes:
        name: `<name>` of `handle_<name>` and `<name>_handler.py`.
        subject: what it listens to.
        durable: its JetStream consumer; None for `<service>-<name>`.
        concurrency: how many run at once; None for the worker's own default.
        batch: whether it takes many events at once.
    """

    name: str
    subject: str
    durable: str | None = None
    concurrency: int | None = None
    batch: bool = False

    @classmethod
    def from_answer(cls, name: str, answer: Any) -> Handler:
        """The handler that one entry of the answer `handlers` describes.

        Args:
            name: its key.
            answer: its subject, or a mapping of `OPTIONS`.

        Raises:
            InputError: the name, the subject or an option breaks its rule.
        """
        options = answer if isinstance(answer, Mapping) else {"subject": answer}
        for key in options:
            if key not in OPTIONS:
                raise InputError(
                    f"the handler {naming.shown(name)} has no option {naming.shown(str(key))}"
                    f"{naming.nearest(str(key), OPTIONS)} (there are {', '.join(OPTIONS)})"
                )
        if not isinstance(options.get("subject"), str):
            raise InputError(f"the handler {naming.shown(name)} needs a subject, as text")
        if not isinstance(options.get("batch", False), bool):
            raise InputError(f"the handler {naming.shown(name)}: batch takes true or false")
        durable, concurrency = options.get("durable"), options.get("concurrency")
        return cls(
            name=naming.handler(name),
            subject=naming.subject(options["subject"]),
            durable=None if durable is None else naming.durable(durable),
            concurrency=None if concurrency is None else naming.concurrency(concurrency),
            batch=options.get("batch", False),
        )

    def answer(self) -> str | dict[str, Any]:
        """The handler as an entry of the answer `handlers`: its subject alone where there is no more to say."""
        options: dict[str, Any] = {"subject": self.subject}
        if self.durable is not None:
            options["durable"] = self.durable
        if self.concurrency is not None:
            options["concurrency"] = self.concurrency
        if self.batch:
            options["batch"] = True
        return options if len(options) > 1 else self.subject

    def durable_in(self, service: str) -> str:
        """The name of its JetStream consumer."""
        return self.durable or f"{service}-{self.name}"


def handler_file(name: str) -> PurePosixPath:
    """Where the handler of that name is, in its service's folder."""
    return HANDLER_FOLDER / f"{name}{SUFFIX}"


def handler_test(name: str) -> PurePosixPath:
    """Where the test of the handler of that name is, in its service's folder."""
    return TEST_FOLDER / f"test_{name}{SUFFIX}"


def is_persons_own(path: PurePosixPath) -> bool:
    """Whether a path in a service's folder is a handler or a handler's test: those are for a person to change."""
    return path.parent in (HANDLER_FOLDER, TEST_FOLDER) and path.name.endswith(SUFFIX)


def subjects_of(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """The subjects in a checked answer `handlers`, in its order."""
    return tuple(entry["subject"] if isinstance(entry, Mapping) else entry for entry in answer.values())
