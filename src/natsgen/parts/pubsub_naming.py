"""The names, subjects, intervals and groups of publishers and subscribers: their rules and the errors.

As in `naming`: checks take a value and return it, or raise `InputError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from natsgen import messages, naming
from natsgen.errors import InputError

INTERVAL_MIN, INTERVAL_MAX = 0.001, 86_400.0  # seconds
GROUP_MAX_LENGTH = 128

_GROUP = re.compile(r"[A-Za-z0-9_-]*")
_INTERVAL = re.compile(r"(0|[1-9][0-9]{0,4})(\.[0-9]{1,6})?")  # TOML takes no zeros in front


def publisher(name: str) -> str:
    """Checks the name of a publisher; returns it or raises `InputError`."""
    return naming.after_subject(name, "publisher")


def subscriber(name: str) -> str:
    """Checks the name of a subscriber; returns it or raises `InputError`."""
    return naming.after_subject(name, "subscriber")


def published(text: str) -> str:
    """Checks a subject that a publisher publishes on; returns it or raises `InputError`."""
    wide = any(token in ("*", ">") for token in text.split("."))
    if problem := "it takes no wildcards, because it is published on" if wide else naming.subject_problem(text):
        raise InputError(f"{messages.quote(text)} is no subject for a publisher: {problem}")
    return text


def heard(text: str) -> str:
    """Checks a subject that a subscriber listens to; returns it or raises `InputError`."""
    problem = naming.subject_problem(text, of_a_stream=False)
    if text.split(".")[0] == ">":
        problem = "it is everything, the server's own messages as well; name a first token"
    if problem:
        raise InputError(f"{messages.quote(text)} is no subject for a subscriber: {problem}")
    return text


def overlap(one: str, other: str) -> bool:
    """Whether a message can be on both subjects."""
    ours, theirs = one.split("."), other.split(".")
    for a, b in zip(ours, theirs, strict=False):
        if ">" in (a, b):
            return True
        if a != b and "*" not in (a, b):
            return False
    return len(ours) == len(theirs)


def interval(seconds: object) -> float:
    """Checks the time from one message to the next; returns it or raises `InputError`."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not INTERVAL_MIN <= seconds <= INTERVAL_MAX:
        raise InputError(
            f"{messages.quote(str(seconds))} is no interval: it takes seconds from {INTERVAL_MIN:g} to {INTERVAL_MAX:g}"
        )
    return seconds


def interval_in(text: str) -> float:
    """The interval that a text on a command line says; returns it or raises `InputError`."""
    if not _INTERVAL.fullmatch(text):
        return interval(text)
    return interval(float(text) if "." in text else int(text))


def interval_text(text: str) -> str:
    """Checks the answer `publish_interval`; returns it or raises `InputError`."""
    interval_in(text)
    return text


def group(name: object) -> str:
    """Checks a queue group, "" for none; returns it or raises `InputError`."""
    if not isinstance(name, str) or len(name) > GROUP_MAX_LENGTH or not _GROUP.fullmatch(name):
        raise InputError(
            f"{messages.quote(str(name))} is no queue group: it takes letters, digits, _ and -, and has at most "
            f"{GROUP_MAX_LENGTH} characters"
        )
    return name


def named(subjects: Sequence[str], rule: Callable[[str], str]) -> dict[str, str]:
    """The subjects by the names of their publishers or subscribers.

    Raises:
        InputError: one breaks the rule, or is there twice.
    """
    checked = [rule(text) for text in subjects]
    if twice := next((text for text in checked if checked.count(text) > 1), None):
        raise InputError(f"the subject {messages.quote(twice)} is given twice")
    return naming.names_for(checked)
