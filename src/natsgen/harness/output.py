"""Capturing a process's output in a file, and reading it while the process runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from natsgen.harness.errors import HarnessError


class OutputFile:
    """The part of a log file that is written from now on, without the output of earlier runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._start = path.stat().st_size

    def text(self) -> str:
        """Return all of it so far; invalid UTF-8 is replaced."""
        with self.path.open("rb") as log:
            log.seek(self._start)
            return log.read().decode(errors="replace")

    def lines(self) -> list[str]:
        """Return all of it so far, line by line."""
        return self.text().splitlines()

    def find(self, pattern: str) -> re.Match[str] | None:
        """Return the first match of a regular expression in a whole line; None if there is none so far."""
        lines = self.text().rpartition("\n")[0].splitlines()
        return next((match for line in lines if (match := re.search(pattern, line))), None)


def json_records(lines: list[str], source: str) -> list[dict[str, Any]]:
    """Return each line, parsed as a JSON object.

    Raises `HarnessError`, naming `source` and the line, for any other line, which a log collector would lose.
    """
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise HarnessError(f"line {number} of the log of {source} is not a JSON object: {line!r}")
        records.append(record)
    return records
