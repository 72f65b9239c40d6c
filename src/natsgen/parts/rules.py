"""The rules for the options of parts: each checks a value, or parses one from a command line."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from natsgen import messages
from natsgen.errors import InputError
from natsgen.parts import naming
from natsgen.parts.naming import RESERVED_FIRST_TOKENS, SUBJECT_MAX_LENGTH, TOKEN

NAME_MAX_LENGTH = 64
KEYWORDS = frozenset(word for word in keyword.kwlist if word.islower())

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class Rule:
    """The valid values of an option."""

    @property
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the valid values."""
        raise NotImplementedError

    @property
    def metavar(self) -> str:
        """Return the placeholder for a value in a command's help."""
        return "NAME"

    def check(self, value: object) -> Any:
        """Return the checked value.

        Raises:
            InputError: the value is invalid.
        """
        raise NotImplementedError

    def parse(self, text: str) -> Any:
        """Return the value of a text on a command line; raises the errors of `check`."""
        return self.check(text)


@dataclass(frozen=True)
class Number(Rule):
    """A number within limits: a whole number, or one with a unit that may have a fraction.

    Attributes:
        what: the name of the option in messages.
        least: the smallest valid number.
        most: the largest valid number.
        unit: the unit of the number; "" for a whole number.
        form: the pattern of its text on a command line.
    """

    what: str
    least: float
    most: float
    unit: str = ""
    form: str = r"[0-9]{1,9}(\.[0-9]{1,9})?"

    @property
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the valid values."""
        return {"type": "number" if self.unit else "integer", "minimum": self.least, "maximum": self.most}

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

    @property
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the valid values."""
        return {"type": "boolean"}

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
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the valid values."""
        return {"type": "string", "enum": list(self.among)}

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
    """A text that a function checks.

    Attributes:
        what: the name of the option in messages.
        problem: returns what is wrong with a text; "" if nothing is.
        form: the JSON Schema of the texts with no problem.
        suggest: suggests a valid text; "" for none.
    """

    what: str
    problem: Callable[[str], str]
    form: dict[str, Any]
    suggest: Callable[[str], str] = field(default=lambda text: "")

    @property
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the valid values."""
        return self.form

    def check(self, value: object) -> str:
        """Return the text."""
        problem = self.problem(value) if isinstance(value, str) else "use text"
        if problem or not isinstance(value, str):
            raise messages.invalid(self.what, value, problem, messages.suggest(self.suggest(str(value))))
        return value


def refuse_twice(what: str, texts: Sequence[str], why: str) -> None:
    """Check that no text is given twice.

    Raises:
        InputError: a text is given twice.
    """
    if twice := next((text for text in texts if texts.count(text) > 1), None):
        raise InputError(f"the {what} {messages.quote(twice)} is given twice: {why}")


def pattern(what: str, form: str, limit: int, takes: str, suggest: Callable[[str], str] | None = None) -> Text:
    """Return the rule for a text that matches a pattern and has at most `limit` characters."""

    def problem(text: str) -> str:
        return "" if len(text) <= limit and re.fullmatch(form, text) else f"use {takes}, at most {limit} characters"

    return Text(what, problem, matching(form, limit), suggest or (lambda text: ""))


def matching(form: str, limit: int, **more: Any) -> dict[str, Any]:
    """Return the JSON Schema of texts that match a pattern, have at most `limit` characters, and fulfil `more`."""
    return {"type": "string", "maxLength": limit, "pattern": f"^({form})$", **more}


def subject_schema(form: str) -> dict[str, Any]:
    """Return the JSON Schema of subjects that match a pattern and do not begin with a reserved token."""
    either_case = ("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in word) for word in RESERVED_FIRST_TOKENS)
    return matching(form, SUBJECT_MAX_LENGTH, **{"not": {"pattern": rf"^({'|'.join(either_case)})(\.|$)"}})


def sent_subject(noun: str, verb: str) -> Text:
    """Return the rule for a subject that a part sends to, and that therefore has no wildcards."""

    def problem(text: str) -> str:
        wide = any(token in ("*", ">") for token in text.split("."))
        return f"use a subject without wildcards, because it is {verb}" if wide else naming.subject_problem(text)

    return Text(f"subject for a {noun}", problem, subject_schema(rf"{TOKEN.pattern}(\.{TOKEN.pattern})*"))


@dataclass(frozen=True)
class Name(Rule):
    """The name of a part of one kind.

    Attributes:
        noun: the noun of the kind.
        reserved: names that its file or its test uses for something else.
        prefix: put before an unusable name to make it valid, where the part's function has the part's name; "" where
            the function's name has its own prefix.
    """

    noun: str
    reserved: Collection[str]
    prefix: str = ""

    @property
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the names."""
        taken: list[dict[str, Any]] = [{"enum": sorted({*self.reserved, *(KEYWORDS if self.prefix else ())})}]
        taken += [{"pattern": "^test"}] if self.prefix else []
        return matching(_NAME.pattern, NAME_MAX_LENGTH, **{"not": {"anyOf": taken}})

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
        """Return a name from the words in a text; "" if there are none."""
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
            return "use another one, because it is a Python keyword"
        if self.prefix and name.startswith("test"):
            return "use another one, because pytest would collect its function as a test"
        return ""


def _plain(number: float) -> str:
    return f"{number:.0f}" if number >= 1 else f"{number:g}"
