"""The rules for the options of parts: each checks a value, or reads one from a text on a command line."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from natsgen import messages, naming
from natsgen.errors import InputError

NAME_MAX_LENGTH = 64
KEYWORDS = frozenset(word for word in keyword.kwlist if word.islower())

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class Rule:
    """What an option takes."""

    @property
    def metavar(self) -> str:
        """Return what stands for a value in the help of a command."""
        return "NAME"

    def check(self, value: object) -> Any:
        """Return the value as the option keeps it.

        Raises:
            InputError: the option does not take it.
        """
        raise NotImplementedError

    def parse(self, text: str) -> Any:
        """Return the value that a text on a command line says; raises as `check` does."""
        return self.check(text)


@dataclass(frozen=True)
class Number(Rule):
    """A number within limits, and a whole one unless it may have a fraction.

    Attributes:
        what: what the option is called in messages.
        least: the smallest that it takes.
        most: the largest that it takes.
        unit: of the number; one with a unit may have a fraction.
        form: what its text on a command line looks like.
    """

    what: str
    least: float
    most: float
    unit: str = ""
    form: str = r"[0-9]{1,9}(\.[0-9]{1,9})?"

    @property
    def metavar(self) -> str:
        """Return the unit, or "N" for a whole number."""
        return self.unit.upper() or "N"

    def check(self, value: object) -> Any:
        """Return the number."""
        takes = int | float if self.unit else int
        if isinstance(value, bool) or not isinstance(value, takes) or not self.least <= value <= self.most:
            kind = self.unit or "a whole number"
            raise messages.invalid(self.what, value, f"use {kind} from {_plain(self.least)} to {_plain(self.most)}")
        return value

    def parse(self, text: str) -> Any:
        """Return the number in a text."""
        if not re.fullmatch(self.form, text):
            return self.check(text)
        return self.check(float(text) if "." in text else int(text))


CONCURRENCY = Number("concurrency", 1, 10_000)


@dataclass(frozen=True)
class Flag(Rule):
    """True or false."""

    key: str

    def check(self, value: object) -> bool:
        """Return the flag."""
        if not isinstance(value, bool):
            raise messages.invalid(self.key, value, "use true or false")
        return value


@dataclass(frozen=True)
class Choice(Rule):
    """One of a few words."""

    what: str
    among: tuple[str, ...]

    @property
    def metavar(self) -> str:
        """Return the words."""
        return "|".join(self.among)

    def check(self, value: object) -> str:
        """Return the word."""
        if not isinstance(value, str) or value not in self.among:
            near = messages.did_you_mean(str(value).upper(), self.among)
            raise messages.invalid(self.what, value, f"use one of {', '.join(self.among)}", near)
        return value


@dataclass(frozen=True)
class Text(Rule):
    """A text that a function finds no fault with.

    Attributes:
        what: what the option is called in messages.
        problem: says what is wrong with a text; "" if nothing is.
        suggest: proposes another text; "" where there is none.
    """

    what: str
    problem: Callable[[str], str]
    suggest: Callable[[str], str] = field(default=lambda text: "")

    def check(self, value: object) -> str:
        """Return the text."""
        problem = self.problem(value) if isinstance(value, str) else "use text"
        if problem or not isinstance(value, str):
            raise messages.invalid(self.what, value, problem, messages.suggest(self.suggest(str(value))))
        return value


def refuse_twice(what: str, texts: Sequence[str], why: str) -> None:
    """Make sure that each text is there once.

    Raises:
        InputError: one is there twice.
    """
    if twice := next((text for text in texts if texts.count(text) > 1), None):
        raise InputError(f"the {what} {messages.quote(twice)} is given twice: {why}")


def pattern(what: str, form: str, limit: int, takes: str, suggest: Callable[[str], str] | None = None) -> Text:
    """Return the rule of a text of a form, with at most `limit` characters."""

    def problem(text: str) -> str:
        return "" if len(text) <= limit and re.fullmatch(form, text) else f"use {takes}, at most {limit} characters"

    return Text(what, problem, suggest or (lambda text: ""))


def sent_subject(noun: str, verb: str) -> Text:
    """Return the rule of a subject that a part of a kind sends to, and which has no wildcards therefore."""

    def problem(text: str) -> str:
        wide = any(token in ("*", ">") for token in text.split("."))
        return f"use a subject without wildcards, because it is {verb}" if wide else naming.subject_problem(text)

    return Text(f"subject for a {noun}", problem)


@dataclass(frozen=True)
class Name(Rule):
    """The name of a part of one kind.

    Attributes:
        noun: what one of them is called.
        reserved: names that mean something else in its file or its test.
        prefix: what makes a name of one that cannot be taken, put in front, where the part's function has its name;
            "" where the function's name has a prefix of its own.
    """

    noun: str
    reserved: Collection[str]
    prefix: str = ""

    def check(self, value: object) -> str:
        """Return the name of the part, its function and its file."""
        name = str(value)
        if not isinstance(value, str) or len(name) > NAME_MAX_LENGTH or not _NAME.fullmatch(name):
            raise messages.invalid(
                f"{self.noun} name",
                name,
                "use lower-case letters, digits and single underscores, starting with a letter, at most "
                f"{NAME_MAX_LENGTH} characters",
                messages.suggest(self.from_text(name)),
            )
        if taken := self._taken_by(name):
            raise messages.invalid(f"{self.noun} name", name, taken, messages.suggest(self.from_text(name)))
        return name

    def from_text(self, text: str) -> str:
        """Return a name made of the words in a text; "" where there are none."""
        if not self.prefix:
            return naming.event_name([text])
        name = naming.words_of(text)
        if name and (not name[0].isalpha() or self._taken_by(name)):
            name = f"{self.prefix}_{name}"
        return name[:NAME_MAX_LENGTH].strip("_")

    def _taken_by(self, name: str) -> str:
        if name in self.reserved:
            return "use another one, because it would hide a name that its file or its test uses"
        if self.prefix and name in KEYWORDS:
            return "use another one, because it is a keyword of Python"
        if self.prefix and name.startswith("test"):
            return "use another one, because pytest would take its function for a test"
        return ""


def _plain(number: float) -> str:
    return f"{number:.0f}" if number >= 1 else f"{number:g}"
