"""What a process prints, captured in a file and read back while it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
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
        return self._read(self._start).decode(errors="replace")

    def lines(self) -> list[str]:
        """Return all of it so far, line by line."""
        return self.text().splitlines()

    def searcher(self, pattern: str) -> Iterator[re.Match[str] | None]:
        """An endless iterator: each step reads only what is new, and gives the first line that matches, or None."""
        expression = re.compile(pattern)
        position, rest = self._start, b""
        while True:
            new = self._read(position)
            position += len(new)
            *whole, rest = (rest + new).split(b"\n")
            matches = (expression.search(line.decode(errors="replace")) for line in whole)
            yield next((match for match in matches if match), None)

    def _read(self, position: int) -> bytes:
        with self.path.open("rb") as log:
            log.seek(position)
            return log.read()


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
