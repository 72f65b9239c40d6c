"""All publishers of the service, at work together, and their numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from src.infrastructure.errors import ConfigurationError
from src.infrastructure.watching.stats import histogram
from src.infrastructure.wiring.component import Surroundings
from src.pubsub.periodic import PeriodicPublisher
from src.pubsub.periodic_runner import PeriodicRunner


class PeriodicPublishers:
    """A task for each publisher.

    Args:
        publishers: all of the service.
        surroundings: what they work with.

    Raises:
        ConfigurationError: two have one name, and their numbers would be one.
    """

    kind = "publishers"

    def __init__(self, publishers: Sequence[PeriodicPublisher], surroundings: Surroundings) -> None:
        names = [publisher.name for publisher in publishers]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ConfigurationError(f"two publishers are named {twice}: give each a function with a name of its own")
        self.runners = [PeriodicRunner(publisher, *surroundings) for publisher in publishers]

    @property
    def trouble(self) -> str:
        """Why they do not all publish."""
        return "; ".join(f"{runner.publisher.name}: {runner.trouble}" for runner in self.runners if runner.trouble)

    @property
    def begun(self) -> int:
        """How many are making a message, or wait for its confirmation."""
        return sum(runner.busy for runner in self.runners)

    async def run(self) -> None:
        """Publishes until `stop` is called."""
        async with asyncio.TaskGroup() as group:
            for runner in self.runners:
                group.create_task(runner.run())

    async def stop(self, limit: float, hurry: asyncio.Future[None] | None) -> None:
        """Has what is on its way confirmed."""
        await asyncio.gather(*(runner.stop(limit, hurry) for runner in self.runners))

    def stats(self) -> list[dict[str, Any]]:
        """The counts of each."""
        return [_summary(runner) for runner in self.runners]

    def metrics(self) -> Iterable[Metric]:
        """The same for Prometheus."""
        labels = ["publisher"]
        published = CounterMetricFamily("worker_published", "Messages of publishers, confirmed", labels=labels)
        failed = CounterMetricFamily("worker_publisher_failures", "Messages that could not be made", labels=labels)
        repeated = CounterMetricFamily("worker_publisher_repeats", "Attempts without a confirmation", labels=labels)
        durations = HistogramMetricFamily("worker_publish_duration_seconds", "Until confirmed", labels=labels)
        for runner in self.runners:
            name, stats = [runner.publisher.name], runner.stats
            published.add_metric(name, stats.sequence)
            failed.add_metric(name, stats.failed)
            repeated.add_metric(name, stats.repeated)
            durations.add_metric(name, *histogram(stats.durations))
        return published, failed, repeated, durations


def _summary(runner: PeriodicRunner) -> dict[str, Any]:
    publisher, stats = runner.publisher, runner.stats
    return {
        "publisher": publisher.name,
        "subject": publisher.subject,
        "mode": "core" if publisher.core else "stream",
        "every": runner.every,
        "trouble": runner.trouble,
        "sequence": stats.sequence,
        "failed": stats.failed,
        "repeated": stats.repeated,
        "last_published_at": stats.last_published_at,
        "last_error": stats.last_error,
    }
