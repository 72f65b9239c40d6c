"""The names of parts whose function is called like them, actions and routes: their rule and its error.

As in `naming`: the check takes a name and returns it, or raises `InputError`; the derivation gives a valid name.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection
from dataclasses import dataclass

from natsgen import messages, naming
from natsgen.errors import InputError

NAME_MAX_LENGTH = 64
KEYWORDS = frozenset(word for word in keyword.kwlist if word.islower())

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True)
class Rule:
    """The rule for the names of one kind of part.

    Attributes:
        noun: what one of them is called.
        article: of the noun.
        reserved: names that mean something else in its file or its test.
        verb: what makes a name of a word that is none, put in front.
    """

    noun: str
    article: str
    reserved: Collection[str]
    verb: str

    def check(self, name: str) -> str:
        """Checks a name.

        Args:
            name: of the part, its function and its file.

        Returns:
            The same name.

        Raises:
            InputError: it breaks the rule, or would not work as the name of the function.
        """
        if len(name) > NAME_MAX_LENGTH or not _NAME.fullmatch(name):
            raise InputError(
                f"{messages.quote(name)} is no {self.noun} name: it takes lower-case letters, digits and single "
                f"underscores, starts with a letter and has at most {NAME_MAX_LENGTH} characters"
                + messages.suggest(self.name_from(name))
            )
        if taken := self._taken_by(name):
            raise InputError(
                f"{messages.quote(name)} cannot be {self.article} {self.noun} name: {taken}"
                + messages.suggest(self.name_from(name))
            )
        return name

    def name_from(self, text: str) -> str:
        """A name made of the words in a text; "" where there are none."""
        name = naming.words_of(text)
        if name and (not name[0].isalpha() or self._taken_by(name)):
            name = f"{self.verb}_{name}"
        return name[:NAME_MAX_LENGTH].strip("_")

    def _taken_by(self, name: str) -> str:
        if name in KEYWORDS:
            return "it is a keyword of Python"
        if name in self.reserved:
            return "it would hide a name that its file or its test uses"
        if name.startswith("test"):
            return "pytest would take its function for a test"
        return ""
