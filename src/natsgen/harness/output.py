"""What a process prints, captured in a file and read back while it runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from natsgen.harness.errors import HarnessError


class OutputFile:
    """The part of a log file that is written from now on; what was there before belongs to an earlier run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._start = path.stat().st_size

    def text(self) -> str:
        """Return all of it so far; bytes that are no UTF-8 are replaced."""
        with self.path.open("rb") as log:
            log.seek(self._start)
            return log.read().decode(errors="replace")

    def lines(self) -> list[str]:
        """Return all of it so far, line by line."""
        return self.text().splitlines()

    def find(self, pattern: str) -> re.Match[str] | None:
        """Return the match of a regular expression in the first whole line that has one; None so far without."""
        lines = self.text().rpartition("\n")[0].splitlines()
        return next((match for line in lines if (match := re.search(pattern, line))), None)


def json_records(lines: list[str], source: str) -> list[dict[str, Any]]:
    """Return each line as the JSON object it must be.

    Raises `HarnessError`, naming `source` and the line, for one that is not: a collector would lose it.
    """
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise HarnessError(f"line {number} of the log of {source} is no JSON object: {line!r}")
        records.append(record)
    return records
