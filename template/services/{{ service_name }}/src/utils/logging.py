"""Logs: one JSON object per line on standard output, or a readable form on a terminal.

Call `logger.info("order shipped", order_id=...)`. The message being handled is added by itself. Libraries that use the
standard library's logging get the same form.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, Literal

import structlog
from pydantic_core import PydanticSerializationError, to_json
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

from src.domain.events import current

# headers, and their names in the log
TRACE = (("Causation-Id", "causation_id"), ("traceparent", "traceparent"), ("Tenant-Id", "tenant"))

logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger()


def configure_logging(service: str, level: str, form: Literal["auto", "json", "console"]) -> None:
    """Set up the logs of the whole process.

    Args:
        service: the service's name, for every line.
        level: the lowest level that is logged, in upper case.
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
        _add_incoming,
        _order_keys,
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


def _add_incoming(_: Any, __: str, event: EventDict) -> EventDict:
    """Add what is being handled to every line, also to lines of code that the handler calls."""
    if (incoming := current.get()) is not None:
        if correlation_id := incoming.correlation_id:
            event.setdefault("correlation_id", correlation_id)
        for name, key in TRACE:
            if name in incoming.headers:
                event.setdefault(key, incoming.headers[name])
        for key, value in incoming.log_fields().items():
            event.setdefault(key, value)
    return event


def _order_keys(_: Any, __: str, event: EventDict) -> EventDict:
    """Rename the keys to those that dashboards rely on, and put first what people read first."""
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
        return to_json(value, fallback=default or repr, inf_nan_mode="null").decode()
    except (PydanticSerializationError, ValueError):  # such as lone surrogates: no line may be lost for those
        return json.dumps(value, default=default or repr)
