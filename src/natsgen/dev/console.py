"""Print the logs of all services, and natsgen's own messages, in one terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from natsgen.cli import output

OWN = "natsgen"
_COLOURS = (36, 33, 35, 32, 34, 96, 93, 95, 92, 94)
_LEVELS = {"WARNING": 33, "ERROR": 31, "CRITICAL": 31}
_NOT_SHOWN = {"timestamp", "level", "logger", "message", "service", "module", "function", "exception"}


class Console:
    """Print one line for each record, coloured by service on a terminal, or as JSON.

    Args:
        as_json: whether each line is a JSON object.

    Attributes:
        on_gone: called when the output is closed, as after `| head` or when the terminal is closed; later output is
            lost.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.on_gone: Callable[[], None] | None = None
        self._as_json = as_json
        self._coloured = output.is_shown() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._colours: dict[str, int] = {OWN: 1}
        self._width = len(OWN)

    def add(self, services: list[str]) -> None:
        """Add services: set their colours and the width of the column of names."""
        for name in services:
            self._colours.setdefault(name, _COLOURS[(len(self._colours) - 1) % len(_COLOURS)])
        self._width = max(map(len, self._colours))

    def say(self, message: str, *, level: str = "INFO", **fields: Any) -> None:
        """Print a message of natsgen."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        record = {"timestamp": now, "level": level, "logger": OWN, "message": message, "service": OWN, **fields}
        self.show(OWN, json.dumps(record), record)

    def show(self, service: str, line: str, record: Mapping[str, Any] | None) -> None:
        """Print a line of a service.

        Args:
            service: its name.
            line: the printed line.
            record: the line as a log record; None if it is not one, such as a line of a traceback.
        """
        if self._as_json:
            text = line if record else json.dumps({"service": service, "level": "INFO", "message": line})
        else:
            text = "\n".join(self._lines(service, line, record))
        try:
            output.result(text)
        except (OSError, output.StdoutClosed):
            if self.on_gone is None:
                raise
            self.on_gone()

    def _lines(self, service: str, line: str, record: Mapping[str, Any] | None) -> list[str]:
        name = self._in(self._colours.get(service, 0), service.ljust(self._width))
        if record is None:
            return [f"{' ' * 8} {name} {output.printable(line)}"]
        level = str(record.get("level", ""))
        fields = " ".join(f"{key}={_value(value)}" for key, value in record.items() if key not in _NOT_SHOWN)
        message = output.printable(str(record.get("message", "")))
        text = self._in(_LEVELS.get(level, 0), f"{level.lower():8} {message}")
        first = f"{_clock(record)} {name} {text}" + (f"  {self._in(2, fields)}" if fields else "")
        stack = str(record.get("exception") or "").splitlines()
        return [first, *(f"{' ' * 8} {name} {output.printable(one)}" for one in stack)]

    def _in(self, colour: int, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._coloured and colour else text


def record_of(line: str) -> dict[str, Any] | None:
    """Return a line as a log record; None if it is not one."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "message" in found else None


def _clock(record: Mapping[str, Any]) -> str:
    try:
        return datetime.fromisoformat(str(record["timestamp"])).astimezone().strftime("%H:%M:%S")
    except (KeyError, ValueError):
        return " " * 8


def _value(value: Any) -> str:
    text = output.printable(value if isinstance(value, str) else json.dumps(value))
    return json.dumps(text) if " " in text else text
