"""The wording of messages: text from outside, quoted; names, joined; and the nearest name to a mistyped one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from natsgen.errors import InputError

_QUOTE_MAX_LENGTH = 60
_JOINED_MAX = 10
_Given = TypeVar("_Given")
_Checked = TypeVar("_Checked")


def located(where: str, rule: Callable[[_Given], _Checked], value: _Given) -> _Checked:
    """Return what a rule makes of a value that was given at `where`, such as "--dedup", which its error begins with."""
    try:
        return rule(value)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def invalid_choice(value: str, choices: Collection[str]) -> str:
    """Return the message for a value that is none of the choices, with the nearest."""
    return f"invalid value {quote(value)} (choose {', '.join(choices)}){did_you_mean(value, choices)}"


def suggest(name: str) -> str:
    """Return a "; try ..." for a name that a rule refuses, or nothing if there is none to propose."""
    return f"; try {name!r}" if name else ""


def invalid(what: str, value: object, rule: str, suggestion: str = "") -> InputError:
    """Return the error of a value that breaks its rule.

    Args:
        what: the value is for, such as "queue group".
        value: as it was given.
        rule: what is wrong with it, or what to use.
        suggestion: of another value, such as `suggest` or `did_you_mean` makes; "" for none.
    """
    return InputError(f"invalid {what} {quote(str(value))}: {rule}{suggestion}")


def unknown(problem: str, name: str, known: Collection[str], there: str = "") -> InputError:
    """Return the error of a name that is not known.

    Args:
        problem: such as "there is no extra".
        name: as it was given.
        known: those that may be meant.
        there: what there is, in words; "" for a list of all that are known.
    """
    return InputError(
        f"{problem} {quote(name)}{did_you_mean(name, known)} ({there or 'there are ' + ', '.join(known)})"
    )


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return a "; did you mean ...?" for a mistyped name; nothing for a number, or if none of the known is near."""
    if name.replace(".", "").isdecimal():
        return ""
    from difflib import get_close_matches  # takes longer to import than all the rest here

    found = get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def there_are(names: Collection[str]) -> str:
    """Return the first few of at least one name, for a message that says what there is."""
    return f"there {'is' if len(names) == 1 else 'are'} {join_names(names)}"


def counted(number: int, noun: str) -> str:
    """Return a number of things in words, such as "1 file" or "2 files"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def join_names(names: Collection[str]) -> str:
    """Return the first few names, for a message that says what there is."""
    first = sorted(names)[:_JOINED_MAX]
    return ", ".join(first) + (f" and {len(names) - _JOINED_MAX} more" if len(names) > _JOINED_MAX else "")


def quote(text: str) -> str:
    """Return text from outside as it may stand in a message: quoted, on one line, short, without control characters."""
    return repr(text if len(text) <= _QUOTE_MAX_LENGTH else text[:_QUOTE_MAX_LENGTH] + "...")
