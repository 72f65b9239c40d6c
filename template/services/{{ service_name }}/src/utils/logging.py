"""Logs: one JSON object per line on standard output, or a readable form on a terminal.

Call `logger.info("order shipped", order_id=...)`. The fields of the message being handled are added automatically.
Records of libraries that use the standard library's logging get the same form.
"""

from __future__ import annotations

import logging
import reprlib
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Literal, TextIO

import structlog
from pydantic_core import to_json
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

from src.config import redacted
from src.domain.events import current

# headers and their names in the log
TRACE = (("Causation-Id", "causation_id"), ("traceparent", "traceparent"), ("Tenant-Id", "tenant"))

# characters that could control a terminal, and halves of characters, which cannot be written
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), *range(0xD800, 0xE000))}

logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger()


def configure_logging(service: str, level: str, form: Literal["auto", "json", "console"]) -> None:
    """Set up the logs of the whole process.

    Args:
        service: the service's name, for every line.
        level: the lowest level that is logged, in upper case.
        form: `json`, `console`, or `auto` (console on a terminal, else JSON).
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        _format_arguments,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _add_incoming,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    console = form == "console" or (form == "auto" and sys.stdout.isatty())
    last: list[Processor] = (
        [_escape_controls, structlog.dev.ConsoleRenderer(event_key="message", colors=sys.stdout.isatty())]
        if console
        else [structlog.processors.JSONRenderer(serializer=_json)]
    )
    handler = BackgroundHandler(sys.stdout)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                partial(_order_keys, service),
                structlog.processors.format_exc_info,
                *last,
                lambda _, __, line: redacted(str(line)),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(True)
    sys.excepthook = lambda *error: logging.getLogger("src").critical("uncaught exception", exc_info=error)


class BackgroundHandler(logging.StreamHandler[TextIO]):
    """Writes in a thread, so that a slow reader of the logs does not delay the service; drops lines instead."""

    MOST = 16 * 1024 * 1024  # characters that wait to be written, above which lines are dropped
    AT_ONCE = 1000  # lines that are written together
    FLUSH_LIMIT = 1.0  # seconds that the lines have to be written at the end

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._taken = self._written = self._dropped = 0  # two counts of characters, and one of lines
        self._writer = threading.Thread(target=self._write, name="logs", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Format a line and pass it to the thread. A forked child has no thread, and writes it directly."""
        if not self._writer.is_alive():
            super().emit(record)
        elif self._taken - self._written > self.MOST:
            self._dropped += 1
        else:
            try:
                line = self.format(record) + self.terminator
            except Exception:  # wrong arguments, half a character, a value without a repr: log what can be shown
                values = record.msg.values() if isinstance(record.msg, dict) else (record.msg, record.args)
                plain = (record.name, record.levelno, record.pathname, record.lineno, " ".join(map(_shown, values)))
                line = self.format(logging.LogRecord(*plain, None, None)) + self.terminator
            self._taken += len(line)
            self._lines.put(line)

    def flush(self) -> None:
        """Wait until everything is written, `FLUSH_LIMIT` seconds at most. `logging.shutdown` calls this."""
        if not self._writer.is_alive():
            super().flush()
        deadline = time.monotonic() + self.FLUSH_LIMIT
        while self._written < self._taken and self._writer.is_alive() and time.monotonic() < deadline:
            time.sleep(0.001)

    def _write(self) -> None:
        while True:
            lines = [self._lines.get() for _ in range(min(max(self._lines.qsize(), 1), self.AT_ONCE))]
            with suppress(OSError, ValueError):  # such as a full disk, which cannot be logged either
                self.stream.write("".join(lines))
                self.stream.flush()
            self._written += sum(map(len, lines))
            if self._dropped and self._lines.empty():
                dropped, self._dropped = self._dropped, 0
                logger.warning("log lines dropped: the reader is too slow", lines=dropped)


def _add_incoming(_: Any, __: str, event: EventDict) -> EventDict:
    """Add the fields of the message being handled to every line, also in code that the handler calls."""
    if (incoming := current.get()) is not None:
        if correlation_id := incoming.correlation_id:
            event.setdefault("correlation_id", correlation_id)
        for name, key in TRACE:
            if name in incoming.headers:
                event.setdefault(key, incoming.headers[name])
        for key, value in incoming.log_fields().items():
            event.setdefault(key, value)
    return event


def _format_arguments(logger: Any, name: str, event: EventDict) -> EventDict:
    """Format `%s` and the like; with wrong arguments, keep them instead of raising in the handler."""
    try:
        return structlog.stdlib.PositionalArgumentsFormatter()(logger, name, event)
    except Exception:
        return {**event, "arguments": event.pop("positional_args")}


def _order_keys(service: str, _: Any, __: str, event: EventDict) -> EventDict:
    """Rename the keys as dashboards expect them, and put the most important ones first."""
    record: logging.LogRecord = event.pop("_record")
    del event["_from_structlog"]
    first = {
        "timestamp": event.pop("timestamp"),
        "level": event.pop("level").upper(),
        "logger": event.pop("logger"),
        "message": event.pop("event", ""),
        "service": service,
        "module": record.module,
        "function": record.funcName,
    }
    return {**first, **{f"{key}_" if key in first else key: value for key, value in event.items()}}


def _escape_controls(_: Any, __: str, event: EventDict) -> EventDict:
    """Escape control characters in values. Only a traceback keeps its lines."""
    for key, value in event.items():
        if isinstance(value, str):
            text = value.translate(CONTROLS)
            event[key] = text.replace("\\x0a", "\n") if key == "exception" else text
    return event


def _json(value: Any, default: Any = None, **_: Any) -> str:
    return to_json(value, fallback=default or repr, inf_nan_mode="null").decode()


def _shown(value: Any) -> str:
    """Return a value as text, whatever it is."""
    try:
        return value.encode(errors="replace").decode() if isinstance(value, str) else reprlib.repr(value)
    except Exception:  # such as a number with too many digits
        return f"<{type(value).__name__}>"
