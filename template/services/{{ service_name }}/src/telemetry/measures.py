"""The metrics of the conventions for messaging.

https://github.com/open-telemetry/semantic-conventions/blob/main/docs/messaging/messaging-metrics.md
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation

Attributes = Mapping[str, str | int]
Key = frozenset[tuple[str, str | int]]  # of a count: its attributes

BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]  # seconds, as the conventions say


class Measures:
    """Counts and durations. The counts are read when they are exported, since the SDK's counters take a lock."""

    def __init__(self, meter: Meter) -> None:
        self._sent = _counted(meter, "messaging.client.sent.messages", "Messages that the producer tried to send")
        self._consumed = _counted(meter, "messaging.client.consumed.messages", "Messages delivered to the service")
        self._sending = _timed(meter, "messaging.client.operation.duration", "Duration of sending a message")
        self._processing = _timed(meter, "messaging.process.duration", "Duration of processing messages")

    def sent(self, seconds: float, attributes: Attributes) -> None:
        """Count a message that was sent, or was not because of `error.type`."""
        self._sent[frozenset(attributes.items())] += 1
        self._sending.record(seconds, attributes)

    def consumed(self, messages: int, key: Key) -> None:
        """Count messages that were delivered."""
        self._consumed[key] += messages

    def processed(self, seconds: float, attributes: Attributes) -> None:
        """Record how long the handler took, for one message or for a batch."""
        self._processing.record(seconds, attributes)


def _timed(meter: Meter, name: str, description: str) -> Histogram:
    return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=BUCKETS)


def _counted(meter: Meter, name: str, description: str) -> Counter[Key]:
    counts: Counter[Key] = Counter()

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(count, dict(attributes)) for attributes, count in counts.copy().items()]

    meter.create_observable_counter(name, [observe], "{message}", description)
    return counts
