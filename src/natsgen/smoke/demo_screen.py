"""What the demonstration shows: its story as it goes, and at the end every fact that was checked."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fact:
    """One line of the summary: what is claimed, whether it was found so, and what was found."""

    claim: str
    holds: bool
    found: object


@dataclass
class Screen:
    """What is told, and what has been found."""

    coloured: bool
    facts: list[Fact] = field(default_factory=list)
    chapters: int = 0

    def chapter(self, title: str) -> None:
        """Begins the next chapter."""
        self.chapters += 1
        self.say("")
        self.say(self._in("1", f"{self.chapters}. {title}"))

    def say(self, text: str) -> None:
        """A line."""
        print(text, flush=True)

    def command(self, line: str) -> None:
        """A line as a person would type it."""
        self.say(self._in("36", f"   $ {line}"))

    def show(self, lines: Iterable[str]) -> None:
        """Text of somebody else, as it is."""
        for line in lines:
            self.say(f"     {line}".rstrip())

    def check(self, claim: str, holds: bool, found: object) -> None:
        """Notes a fact for the summary."""
        self.facts.append(Fact(claim, holds, found))

    def summary(self) -> bool:
        """Tells what was checked; whether all of it holds."""
        self.say("")
        self.say(self._in("1", "What was shown, each line checked:"))
        for fact in self.facts:
            if fact.holds:
                self.say(f"   {self._in('32', 'yes')}  {fact.claim}")
            else:
                self.say(f"   {self._in('1;31', 'NO')}   {fact.claim}; found: {fact.found}")
        return all(fact.holds for fact in self.facts)

    def _in(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.coloured else text


def takes_colour() -> bool:
    """Whether standard output is a terminal that wants colour."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
