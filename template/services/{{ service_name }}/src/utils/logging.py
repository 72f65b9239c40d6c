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
from pydantic_core import to_json
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
        _format_arguments,
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
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[ProcessorFormatter.remove_processors_meta, *last],
        )
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


def _format_arguments(logger: Any, name: str, event: EventDict) -> EventDict:
    """Format `%s` and the like; a call with wrong arguments keeps them, instead of raising into the handler."""
    try:
        return structlog.stdlib.PositionalArgumentsFormatter()(logger, name, event)
    except Exception:
        return {**event, "arguments": event.pop("positional_args")}


def _order_keys(_: Any, __: str, event: EventDict) -> EventDict:
    """Rename the keys to those that dashboards rely on, and put first what people read first."""
    first = {
        "timestamp": event.pop("timestamp"),
        "level": event.pop("level").upper(),
        "logger": event.pop("logger"),
        "message": event.pop("event", ""),
        "service": event.pop("service"),
        "module": event.pop("module", None),
        "function": event.pop("func_name", None),
    }
    return {**first, **{f"{key}_" if key in first else key: value for key, value in event.items()}}


def _json(value: Any, default: Any = None, **_: Any) -> str:
    try:
        return to_json(value, fallback=default or repr, inf_nan_mode="null").decode()
    except Exception:  # such as lone surrogates, or a value that contains itself: no line may be lost for those
        return json.dumps({str(key): one if isinstance(one, str) else _shown(one) for key, one in value.items()})


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"
