"""A collector for tests: takes spans and metrics by OTLP over HTTP, and decodes them."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from natsgen.harness.ports import LOOPBACK


@dataclass(frozen=True)
class ReceivedSpan:
    """A span, with its ids in hexadecimal form, and its attributes and those of its resource as a dictionary each."""

    resource: dict[str, Any]
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    failed: bool
    events: tuple[tuple[str, dict[str, Any]], ...]
    links: tuple[tuple[str, str], ...]

    @property
    def service(self) -> str:
        return str(self.resource["service.name"])


@dataclass
class OtlpReceiver:
    """Holds what has arrived: the spans, and the metrics' data points by the metric's name."""

    spans: list[ReceivedSpan] = field(default_factory=list)
    points: dict[str, list[Any]] = field(default_factory=dict)
    url: str = ""

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                resource = values(group.resource.attributes)
                self.spans += [received(span, resource) for scope in group.scope_spans for span in scope.spans]
        elif path == "/v1/metrics":
            for metrics in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for metric in (one for scope in metrics.scope_metrics for one in scope.metrics):
                    kind = metric.WhichOneof("data")
                    self.points.setdefault(metric.name, []).extend(getattr(metric, kind or "").data_points)
        else:
            raise ValueError(path)


def received(span: Any, resource: dict[str, Any]) -> ReceivedSpan:
    return ReceivedSpan(
        resource=resource,
        name=span.name,
        kind=span.kind,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        attributes=values(span.attributes),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        events=tuple((event.name, values(event.attributes)) for event in span.events),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
    )


def values(attributes: Any) -> dict[str, Any]:
    return {one.key: value_of(one) for one in attributes}


def value_of(attribute: KeyValue) -> Any:
    return getattr(attribute.value, attribute.value.WhichOneof("value") or "string_value")


@contextmanager
def receiving() -> Iterator[OtlpReceiver]:
    """A collector on a free port, in a thread; it answers as OTLP asks for, with an empty message."""
    receiver = OtlpReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.take(self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        receiver.url = f"http://{LOOPBACK}:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
