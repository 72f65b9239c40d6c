"""Publishers: coroutines that publish on an interval, to a stream or with core NATS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from natsgen.parts import naming, subjects
from natsgen.parts.kind import FoundPart, Option, PartKind
from natsgen.parts.rules import Flag, Name, Number, sent_subject

INTERVAL = Number(
    "interval",
    0.001,
    86_400,
    "seconds",
    form=r"(0|[1-9][0-9]{0,4})(\.[0-9]{1,6})?",  # TOML allows no leading zeros
)


@dataclass(frozen=True)
class Publisher(subjects.SubjectPart):
    """A publisher.

    Attributes:
        subject: the subject that it publishes to.
        interval: seconds between messages; None for the setting `PUBLISH_INTERVAL`.
        core: whether it publishes with core NATS; otherwise it publishes to a stream.
    """

    interval: float | None = None
    core: bool = False

    def facts(self, service: str) -> dict[str, object]:
        """Return its options."""
        return {"subject": self.subject, "interval": self.interval, "core": self.core}

    def story(self, service: str) -> str:
        """Return what it publishes."""
        every = "" if self.interval is None else f" every {self.interval:g} s"
        return f"publishes to {self.subject}{every}, {'with core NATS' if self.core else 'with JetStream'}"


@dataclass(frozen=True)
class FoundPublisher(FoundPart):
    """A function that publishes."""

    def remark(self, service: str) -> str:
        """Return how it publishes."""
        every, core = self.given("every"), self.given("core")
        how = "publisher" if core is None or core.literal is False else "publisher with core NATS"
        return how + (f", every {every.text} s" if every else "")


PUBLISHERS = PartKind(
    noun="publisher",
    name=Name("publisher", naming.RESERVED_HANDLERS),
    part=Publisher,
    argument=("SUBJECT", "Subject that it publishes to."),
    proposal=subjects.LAST_TOKENS,
    options=(
        Option("subject", sent_subject("publisher", "published to")),
        Option(
            "interval",
            INTERVAL,
            keyword="every",
            help="Interval between messages [default: PUBLISH_INTERVAL]",
        ),
        Option("core", Flag("core"), help="Publish with core NATS instead of to a stream."),
    ),
    found=FoundPublisher,
    decorator="publishes",
    prefix="make_",
    may_be_short=True,
    does=("publishes", "subject"),
)


def from_subjects(texts: Sequence[str], *, core: bool = False) -> tuple[Publisher, ...]:
    """Return a publisher for each subject on a command line; see `subjects.from_subjects`."""
    return subjects.from_subjects(Publisher, texts, "a service needs one publisher for it", core=core)
