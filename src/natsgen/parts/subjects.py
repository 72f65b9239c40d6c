"""The base of parts for one subject: handlers, publishers and subscribers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from natsgen import messages
from natsgen.parts import naming
from natsgen.parts.kind import Part
from natsgen.parts.rules import refuse_twice, subject_schema

_Part = TypeVar("_Part", bound="SubjectPart")


LAST_TOKENS = "the subject's last two tokens"
"""The default name of a part for one subject, as help describes it."""


@dataclass(frozen=True)
class SubjectPart(Part):
    """A part for one subject.

    Attributes:
        subject: the subject that it subscribes or publishes to.
    """

    subject: str

    @classmethod
    def from_text(cls: type[_Part], text: str, name: str | None, **options: Any) -> _Part:
        """Return the part for the subject on a command line."""
        subject = messages.located("SUBJECT", cls.kind.option("subject").check, text)
        if name is None:
            return cls(naming.handler_for(subject), subject, **options)
        return cls(messages.located("--name", cls.kind.name.check, name), subject, **options)

    @property
    def does(self) -> str:
        """Return its subject."""
        return self.subject

    def other_name(self, taken: Sequence[str]) -> str:
        """Return a name from more tokens of its subject."""
        return naming.handler_for(self.subject, taken)


def with_wildcards(first: str) -> dict[str, Any]:
    """Return the JSON Schema of subjects that may contain wildcards; `first` is the pattern of their first token."""
    return subject_schema(rf"{first}(\.({naming.TOKEN.pattern}|\*))*(\.>)?")


def from_subjects(part: type[_Part], subjects: Sequence[str], why_once: str, **options: Any) -> tuple[_Part, ...]:
    """Return a part for each subject on a command line.

    Args:
        part: the class of the parts.
        subjects: the subjects as typed.
        why_once: why a subject may be given only once, for the message.
        options: the options of all the parts.

    Raises:
        InputError: a subject is invalid, or is given twice.
    """
    rule = part.kind.option("subject")
    checked = [rule.check(subject) for subject in subjects]
    refuse_twice("subject", checked, why_once)
    return tuple(part(name, subject, **options) for name, subject in naming.names_for(checked).items())
