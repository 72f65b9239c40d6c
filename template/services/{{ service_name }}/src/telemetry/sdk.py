"""The SDK of OpenTelemetry in this process: what it exports, where to, and how its failures are logged."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple, TypeVar

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from opentelemetry.trace import Tracer

from src.config import VERSION, settings
from src.infrastructure.errors import ConfigurationError
from src.telemetry.measures import Measures
from src.utils.logging import logger

Choice = TypeVar("Choice")

SCOPE = "src.telemetry"
SPAN_EXPORTERS = {"otlp": OTLPSpanExporter, "console": ConsoleSpanExporter, "none": None}
METRIC_EXPORTERS = {"otlp": OTLPMetricExporter, "console": ConsoleMetricExporter, "none": None}
PROTOCOL = "http/protobuf"
REPORTS = logging.getLogger("opentelemetry")  # where the SDK and the exporters report
LOG_EVERY = 60.0  # seconds between two log lines about what the SDK reports
LOOK = 0.02  # seconds between looks whether everything is exported


class Sdk(NamedTuple):
    """The providers, which are the global ones as well, and what connections share of them."""

    tracing: TracerProvider
    metering: MeterProvider
    tracer: Tracer
    measures: Measures

    async def flush(self, limit: float) -> None:
        """Export what is left, for `limit` seconds at most, even if the collector does not answer."""
        steps = (self.tracing.force_flush, self.metering.force_flush)
        threads = [threading.Thread(target=step, name="telemetry", daemon=True) for step in steps]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + limit
        while any(thread.is_alive() for thread in threads):
            if time.monotonic() > deadline:
                logger.warning("telemetry not exported in time", seconds=limit)
                break
            await asyncio.sleep(LOOK)


@cache
def start() -> Sdk:
    """Set up the SDK by the `OTEL_...` variables, once.

    Raises:
        ConfigurationError: a variable names something that this service does not have.
    """
    for name in ("PROTOCOL", "TRACES_PROTOCOL", "METRICS_PROTOCOL"):
        _choice(f"OTEL_EXPORTER_OTLP_{name}", {PROTOCOL: None}, PROTOCOL)
    of_spans = _choice("OTEL_TRACES_EXPORTER", SPAN_EXPORTERS, "otlp")
    of_metrics = _choice("OTEL_METRICS_EXPORTER", METRIC_EXPORTERS, "otlp")
    REPORTS.setLevel(logging.WARNING)
    REPORTS.addHandler(BoundedHandler())
    REPORTS.propagate = False
    resource = Resource.create(
        {
            "service.name": settings.SERVICE_NAME,
            "service.namespace": settings.BOUNDED_CONTEXT,
            "service.version": VERSION,
            "service.instance.id": settings.HOSTNAME,
        }
    ).merge(OTELResourceDetector().detect())  # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence
    try:
        tracing = TracerProvider(resource=resource, shutdown_on_exit=False)
        if of_spans:
            tracing.add_span_processor(BatchSpanProcessor(of_spans()))
        readers = [PeriodicExportingMetricReader(of_metrics())] if of_metrics else []
        metering = MeterProvider(readers, resource, shutdown_on_exit=False)
    except ValueError as error:
        raise ConfigurationError(f"an OTEL_... setting is invalid: {error}") from error
    trace.set_tracer_provider(tracing)
    metrics.set_meter_provider(metering)
    return Sdk(tracing, metering, tracing.get_tracer(SCOPE), Measures(metering.get_meter(SCOPE)))


def _choice(name: str, known: Mapping[str, Choice], default: str) -> Choice:
    value = os.environ.get(name, "").strip() or default
    if value not in known:
        raise ConfigurationError(f"{name} is {value!r}; use {' or '.join(known)}")
    return known[value]


class BoundedHandler(logging.Handler):
    """Logs what the SDK reports, such as a collector that does not answer, and then nothing for `LOG_EVERY` seconds."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a report. Meanwhile the level keeps the SDK from making more of them, which takes longer than a span."""
        REPORTS.setLevel(logging.CRITICAL)
        timer = threading.Timer(LOG_EVERY, REPORTS.setLevel, [logging.WARNING])
        timer.daemon = True
        timer.start()
        logger.warning("telemetry has a problem", problem=record.getMessage())
