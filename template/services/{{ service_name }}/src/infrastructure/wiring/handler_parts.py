"""What every handler of a worker stands on, and the runner that is put together from it."""

from __future__ import annotations

from functools import partial

from src.config import Settings
from src.infrastructure.dead_letters import DeadLetters
from src.infrastructure.delivery import Delivery
from src.infrastructure.handler_runner import HandlerRunner
from src.infrastructure.handling.attempts import Attempts
from src.infrastructure.handling.deduplication import Deduplication
from src.infrastructure.handling.large_payloads import LargePayloads
from src.infrastructure.handling.replays import Replays
from src.infrastructure.inbox import inbox_for
from src.infrastructure.intake import Intake
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.pull_consumer import Consumer
from src.infrastructure.receiving.consumers import Consumers
from src.infrastructure.receiving.streams import Streams
from src.infrastructure.subscription import Subscription
from src.infrastructure.watching.stats import HandlerStats
from src.utils.logging import logger


class HandlerParts:
    """The parts that all handlers of one worker share.

    Args:
        nats: the connection.
        streams: finds and makes streams.
        settings: the service's settings.
    """

    def __init__(self, nats: NatsClient, streams: Streams, settings: Settings) -> None:
        self._nats = nats
        self._streams = streams
        self._settings = settings
        self._consumers = Consumers(nats, streams, settings)
        self._attempts = Attempts(nats, settings)
        self._large_payloads = LargePayloads(nats, settings)
        self._replays = Replays(nats, settings.SERVICE_NAME, streams, self._large_payloads)
        self._dead_letters = DeadLetters(nats, settings.SERVICE_NAME, self._large_payloads, streams.dead_letters)
        self._inbox = inbox_for(settings, nats)

    def runner(self, subscription: Subscription, intake: type[Intake], delivery: type[Delivery]) -> HandlerRunner:
        """What runs a subscription.

        Args:
            subscription: a handler's.
            intake: what receives its messages.
            delivery: what decides on them.
        """
        _warn_of_sizes(subscription)
        stats = HandlerStats()
        provide_replays = partial(self._provide_replays, subscription)
        return HandlerRunner(
            subscription,
            self._nats,
            intake(subscription, self._nats, self._consumers.provide, provide_replays, stats),
            delivery(
                subscription,
                self._attempts,
                self._dead_letters,
                self._large_payloads,
                self._replays,
                self._deduplication(subscription),
                stats,
            ),
            stats,
        )

    async def prepare(self) -> None:
        """Sees to what must be on the server before the first message is handled.

        Raises:
            ConfigurationError: what is there does not fit.
            nats.errors.Error: the server cannot be asked.
        """
        await self._streams.dead_letters()
        await self._attempts.prepare()

    async def close(self) -> None:
        """Closes the inbox, which may have a connection of its own."""
        if self._inbox:
            await self._inbox.close()

    async def _provide_replays(self, subscription: Subscription) -> Consumer:
        self._replays.consumed.discard(subscription.handler)
        consumer = await self._consumers.provide_replays(subscription)
        self._replays.consumed.add(subscription.handler)
        return consumer

    def _deduplication(self, subscription: Subscription) -> Deduplication | None:
        if self._inbox is None:
            return None
        return Deduplication(self._inbox, subscription.ack_wait, self._settings.DEDUP_UNAVAILABLE)


def _warn_of_sizes(subscription: Subscription) -> None:
    """Warns where one replica alone can use up what all replicas may hold."""
    needed = int(1.25 * (subscription.prefetch + subscription.concurrency))
    if subscription.max_ack_pending < needed:
        logger.warning(
            "max_ack_pending is small: one replica can hold all messages that may be unsettled",
            handler=subscription.handler,
            max_ack_pending=subscription.max_ack_pending,
            wanted_per_replica=needed,
        )
