"""Holds what the parts for one subject share: handlers, publishers and subscribers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from natsgen import messages, naming
from natsgen.parts.kind import Part
from natsgen.parts.rules import refuse_twice

_Part = TypeVar("_Part", bound="SubjectPart")


LAST_TOKENS = "the subject's last two tokens"
"""The proposal for the name of a part for one subject."""


@dataclass(frozen=True)
class SubjectPart(Part):
    """A part for one subject.

    Attributes:
        subject: what it listens to or publishes on.
    """

    subject: str

    @classmethod
    def from_text(cls: type[_Part], text: str, name: str | None, **options: Any) -> _Part:
        """Return the part for the subject that a person typed."""
        subject = messages.located("SUBJECT", cls.kind.option("subject").check, text)
        if name is None:
            return cls(naming.handler_for(subject), subject, **options)
        return cls(messages.located("--name", cls.kind.name.check, name), subject, **options)

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
