"""The names, versions and limits of actions: their rules, what is derived from them, and the errors.

As in `naming`: checks take a value and return it, or raise `InputError`; derivations take checked values.
"""

from __future__ import annotations

import re

from natsgen import messages, naming
from natsgen.errors import InputError
from natsgen.parts.part_naming import NAME_MAX_LENGTH, Rule

VERSION_MAX = 9_999
TIMEOUT_MIN, TIMEOUT_MAX = 0.001, 3_600.0  # seconds

# An action's function has the action's name, next to these in its file and in its test; copier.yml refuses the same.
RESERVED = frozenset({"action", "annotations", "pytest", "request", "response", "str"})
RULE = Rule("action", "an", RESERVED, "do")


def action(name: str) -> str:
    """Checks the name of an action, its function and its file; returns it or raises `InputError`."""
    return RULE.check(name)


def version(number: object) -> int:
    """Checks the version of an action; returns it or raises `InputError`."""
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= VERSION_MAX:
        raise InputError(
            f"{messages.quote(str(number))} is no version: it takes a whole number from 0 to {VERSION_MAX}"
        )
    return number


def version_in(text: str) -> int:
    """The version that a text on a command line says; returns it or raises `InputError`."""
    return version(int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text)


def timeout(seconds: object) -> float:
    """Checks the time that an action has for an answer; returns it or raises `InputError`."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not TIMEOUT_MIN <= seconds <= TIMEOUT_MAX:
        raise InputError(
            f"{messages.quote(str(seconds))} is no time limit: it takes seconds from {TIMEOUT_MIN:g} to {TIMEOUT_MAX:g}"
        )
    return seconds


def timeout_in(text: str) -> float:
    """The time limit that a text on a command line says; returns it or raises `InputError`."""
    return timeout(naming.number_in(text))


def with_version(name: str, number: int) -> str:
    """The name for the file and the function of one version of an action that has others."""
    ending = f"_v{number}"
    return f"{name[: NAME_MAX_LENGTH - len(ending)].rstrip('_')}{ending}"
