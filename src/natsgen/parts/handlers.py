"""One handler as the answers say it: its subject and options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from natsgen import messages, naming
from natsgen.errors import InputError

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
                    f"the handler {messages.quote(name)} has no option {messages.quote(str(key))}"
                    f"{messages.did_you_mean(str(key), OPTIONS)} (there are {', '.join(OPTIONS)})"
                )
        if not isinstance(options.get("subject"), str):
            raise InputError(f"the handler {messages.quote(name)} needs a subject, as text")
        if not isinstance(options.get("batch", False), bool):
            raise InputError(f"the handler {messages.quote(name)}: batch takes true or false")
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


def subjects_of(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """The subjects in a checked answer `handlers`, in its order."""
    return tuple(entry["subject"] if isinstance(entry, Mapping) else entry for entry in answer.values())
