"""The names, queues and limits of tasks: their rules, what is derived from them, and the errors.

As in `naming`: checks take a value and return it, or raise `InputError`; derivations take checked values.
"""

from __future__ import annotations

import re

from natsgen import messages, naming
from natsgen.errors import InputError
from natsgen.parts.part_naming import Rule

QUEUE_MAX_LENGTH = 64
TIMEOUT_MIN, TIMEOUT_MAX = 0.001, 604_800.0  # seconds
ATTEMPTS_MAX = 10_000
PRIORITIES = ("high", "normal", "low")

# A task's function has the task's name and a class its name in capitals, next to these in its file and in its test, or
# to what its comments propose to import; copier.yml refuses the same.
RESERVED = frozenset(
    {
        *("annotations", "any", "base_model", "config_dict", "false", "logger", "message", "none", "payload"),
        *("reject", "retry", "task", "true"),
    }
)
RULE = Rule("task", "a", RESERVED, "do")

_QUEUE = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")


def task(name: str) -> str:
    """Checks the name of a task, its function and its file; returns it or raises `InputError`."""
    return RULE.check(name)


def queue(name: object) -> str:
    """Checks the name of a queue; returns it or raises `InputError`."""
    if not isinstance(name, str) or len(name) > QUEUE_MAX_LENGTH or not _QUEUE.fullmatch(name):
        raise InputError(
            f"{messages.quote(str(name))} is no queue: it takes lower-case letters, digits and single - and _, starts "
            f"with a letter and has at most {QUEUE_MAX_LENGTH} characters" + messages.suggest(_as_queue(str(name)))
        )
    return name


def priority(name: object) -> str:
    """Checks a priority; returns it or raises `InputError`."""
    if not isinstance(name, str) or name not in PRIORITIES:
        raise InputError(f"{messages.quote(str(name))} is no priority: it is one of {', '.join(PRIORITIES)}")
    return name


def timeout(seconds: object) -> float:
    """Checks the time that an attempt has; returns it or raises `InputError`."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not TIMEOUT_MIN <= seconds <= TIMEOUT_MAX:
        raise InputError(
            f"{messages.quote(str(seconds))} is no time limit: it takes seconds from {TIMEOUT_MIN:g} to "
            f"{TIMEOUT_MAX:.0f}"
        )
    return seconds


def timeout_in(text: str) -> float:
    """The time limit that a text on a command line says; returns it or raises `InputError`."""
    return timeout(naming.number_in(text))


def max_attempts(number: object) -> int:
    """Checks how often a task may be started; returns it or raises `InputError`."""
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= ATTEMPTS_MAX:
        raise InputError(
            f"{messages.quote(str(number))} is no count of attempts: it takes a whole number from 1 to {ATTEMPTS_MAX}"
        )
    return number


def max_attempts_in(text: str) -> int:
    """The count of attempts that a text on a command line says; returns it or raises `InputError`."""
    return max_attempts(int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text)


def name_for(queue: str) -> str:
    """A name for the task of a queue that nobody has named."""
    return RULE.name_from(f"process_{queue}")


def _as_queue(text: str) -> str:
    """A queue's name made of the words in a text; "" where there are none that could begin it."""
    name = naming.words_of(text)[:QUEUE_MAX_LENGTH].strip("_")
    return name if _QUEUE.fullmatch(name) else ""
