"""Helpers for the wording of messages: quote input, join names, and suggest the nearest valid name."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from natsgen.errors import InputError

_QUOTE_MAX_LENGTH = 60
_JOINED_MAX = 10
_Given = TypeVar("_Given")
_Checked = TypeVar("_Checked")


def located(where: str, rule: Callable[[_Given], _Checked], value: _Given) -> _Checked:
    """Apply a rule to a value; its error begins with `where`, the place of the value, such as "--dedup"."""
    try:
        return rule(value)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def invalid_choice(value: str, choices: Collection[str]) -> str:
    """Return the message for a value that is not one of the choices, with the nearest choice."""
    return f"invalid value {quote(value)} (choose {', '.join(choices)}){did_you_mean(value, choices)}"


def suggest(name: str) -> str:
    """Return "; try ..." with a suggested name; "" if there is no suggestion."""
    return f"; try {name!r}" if name else ""


def invalid(what: str, value: object, rule: str, suggestion: str = "") -> InputError:
    """Return the error for a value that breaks its rule.

    Args:
        what: what the value is for, such as "queue group".
        value: the value as given.
        rule: what is wrong with it, or what to use.
        suggestion: another value, worded by `suggest` or `did_you_mean`; "" for none.
    """
    return InputError(f"invalid {what} {quote(str(value))}: {rule}{suggestion}")


def unknown(problem: str, name: str, known: Collection[str], there: str = "") -> InputError:
    """Return the error for an unknown name.

    Args:
        problem: such as "unknown extra".
        name: the name as given.
        known: the known names.
        there: a description of the known names; "" to list them all.
    """
    return InputError(
        f"{problem} {quote(name)}{did_you_mean(name, known)} ({there or 'available: ' + ', '.join(known)})"
    )


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return "; did you mean ...?" for a mistyped name; "" for a number, or if no known name is near."""
    if name.replace(".", "").isdecimal():
        return ""
    from difflib import get_close_matches  # slow to import

    found = get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def available(names: Collection[str]) -> str:
    """Return "available: ..." with the first few names."""
    return f"available: {join_names(names)}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as "1 file" or "2 files"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def join_names(names: Collection[str]) -> str:
    """Return the first few names, sorted and joined by commas."""
    first = sorted(names)[:_JOINED_MAX]
    return ", ".join(first) + (f" and {len(names) - _JOINED_MAX} more" if len(names) > _JOINED_MAX else "")


def quote(text: str) -> str:
    """Return input quoted for a message: on one line, shortened, with control characters escaped."""
    return repr(text if len(text) <= _QUOTE_MAX_LENGTH else text[:_QUOTE_MAX_LENGTH] + "...")
