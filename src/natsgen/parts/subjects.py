"""What the parts for one subject share: handlers, publishers and subscribers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from natsgen import messages, naming
from natsgen.parts.kind import Part, PartKind
from natsgen.parts.rules import refuse_twice

_Part = TypeVar("_Part", bound="SubjectPart")


@dataclass(frozen=True)
class SubjectPart(Part):
    """A part for one subject.

    Attributes:
        subject: what it listens to or publishes on.
    """

    subject: str

    @property
    def does(self) -> str:
        """Return its subject."""
        return self.subject

    def other_name(self, taken: Sequence[str]) -> str:
        """Return a name after more of its subject."""
        return naming.handler_for(self.subject, taken)


def from_subjects(part: type[_Part], subjects: Sequence[str], why_once: str, **options: Any) -> tuple[_Part, ...]:
    """Return a part for each subject on a command line.

    Args:
        part: the class of the parts.
        subjects: as they were typed.
        why_once: why a subject may be there once, for the message.
        options: that all of them have.

    Raises:
        InputError: one of them breaks the rule of the kind's subjects, or is there twice.
    """
    rule = part.kind.option("subject")
    checked = [rule.check(subject) for subject in subjects]
    refuse_twice("subject", checked, why_once)
    return tuple(part(name, subject, **options) for name, subject in naming.names_for(checked).items())


def named(kind: PartKind, name: str | None, subject: str) -> tuple[str, str]:
    """Return the name of a part, which its subject proposes where nobody gave one, and its checked subject.

    Raises:
        InputError: one of them breaks its rule; the message begins with "--name" or "SUBJECT".
    """
    checked = messages.located("SUBJECT", kind.option("subject").check, subject)
    if name is None:
        return naming.handler_for(checked), checked
    return messages.located("--name", kind.name.check, name), checked
