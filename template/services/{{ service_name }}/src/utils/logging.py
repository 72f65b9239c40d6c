"""Logs: one JSON object a line on standard output, or a readable form on a terminal.

`logger.info("what happened", key=value)` is all that a handler needs; the message it handles is added by itself.
Libraries that use the standard library's logging end up in the same form.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, Literal

import orjson
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

from src.infrastructure.handling.context import current_message, current_request

# headers, and their names in the log
TRACE = (("Causation-Id", "causation_id"), ("traceparent", "traceparent"), ("Tenant-Id", "tenant"))

logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger()


def configure_logging(service: str, level: str, form: Literal["auto", "json", "console"]) -> None:
    """Sets up the logs of the whole process.

    Args:
        service: put on every line.
        level: the least level that is logged, in upper case.
        form: `json`, `console`, or `auto` (console on a terminal, else JSON).
    """

    def add_service(_: Any, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.CallsiteParameterAdder(
            {structlog.processors.CallsiteParameter.MODULE, structlog.processors.CallsiteParameter.FUNC_NAME}
        ),
        structlog.processors.StackInfoRenderer(),
        add_service,
        _add_message,
        _as_promised,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    console = form == "console" or (form == "auto" and sys.stdout.isatty())
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(event_key="message", colors=sys.stdout.isatty())]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        ProcessorFormatter(foreign_pre_chain=shared, processors=[ProcessorFormatter.remove_processors_meta, *last])
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(True)
    sys.excepthook = lambda *error: logging.getLogger("src").critical("uncaught exception", exc_info=error)


def _add_message(_: Any, __: str, event: EventDict) -> EventDict:
    """What is being handled, on every line that is logged meanwhile, also by code that the handler calls."""
    if message := current_message.get():
        event.setdefault("subject", message.subject)
        event.setdefault("message_id", message.id)
        event.setdefault("correlation_id", message.correlation_id)
        for name, key in TRACE:
            if name in message.headers:
                event.setdefault(key, message.headers[name])
        event.setdefault("handler", message.handler)
        event.setdefault("attempt", message.attempt)
    elif request := current_request.get():
        for key, value in request.log_fields().items():
            event.setdefault(key, value)
        event.setdefault("correlation_id", request.correlation_id)
        for name, key in TRACE:
            if name in request.headers:
                event.setdefault(key, request.headers[name])
    return event


def _as_promised(_: Any, __: str, event: EventDict) -> EventDict:
    """The key names that dashboards rely on, those that people read first in front."""
    return {
        "timestamp": event.pop("timestamp"),
        "level": event.pop("level").upper(),
        "logger": event.pop("logger"),
        "message": event.pop("event", ""),
        "service": event.pop("service"),
        "module": event.pop("module", None),
        "function": event.pop("func_name", None),
        **event,
    }


def _json(value: Any, default: Any = None, **_: Any) -> str:
    try:
        return orjson.dumps(value, default=default or repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # integers beyond 64 bits, lone surrogates: no line may be lost for those
        return json.dumps(value, default=default or repr)
