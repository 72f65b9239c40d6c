"""What a sample publishes by itself, numbered without holes, and what it hears of what others publish."""

from __future__ import annotations

from collections.abc import Sequence

from natsgen.parts.publishers import PUBLISHERS, Publisher
from natsgen.parts.subscribers import SUBSCRIBERS, Subscriber
from natsgen.smoke import traffic
from natsgen.smoke.live import Live
from natsgen.smoke.steps import NothingToDo
from natsgen.smoke.traffic import event, literal, sequence_in

MESSAGES = 3
"""Of each publisher, some of which take seconds from one to the next: the fewest that have something between them."""
EACH = 20
"""Events for each subscriber."""
PUBLISHED_SECONDS = 30.0
HEARD_SECONDS = 30.0


def publishers(live: Live) -> str:
    """Check that each publisher's messages arrive, in its stream or at subscribers, without a gap."""
    if not live.publishers:
        raise NothingToDo("it has no publishers")
    for publisher in live.publishers:
        _check_numbers(live, publisher, _messages_of(live, publisher))
        told = live.pubsub(PUBLISHERS)[publisher.name]
        if told["failed"]:
            raise live.failure(f"the publisher {publisher.name} could not make {told['failed']} messages")
    return f"messages of {len(live.publishers)} publishers arrived without a hole"


def subscribers(live: Live) -> str:
    """Check that each subscriber receives every message once."""
    if not live.subscribers:
        raise NothingToDo("it has no subscribers")
    for subscriber in live.subscribers:
        before = live.pubsub(SUBSCRIBERS)[subscriber.name]["heard"]
        subject = literal(subscriber.subject)
        sent = [event(subject, live.published + number, live.envelope) for number in range(EACH)]
        live.published += EACH
        traffic.publish_core(live.running.nats_url, sent)
        _await_heard(live, subscriber, before + EACH)
    return f"{EACH} messages were heard by each of {len(live.subscribers)} subscribers"


def _messages_of(live: Live, publisher: Publisher) -> Sequence[bytes]:
    url = live.running.nats_url
    if publisher.core:
        found = traffic.heard_on(url, publisher.subject, MESSAGES, limit=PUBLISHED_SECONDS)
        if len(found) < MESSAGES:
            raise live.failure(
                f"who listens on {publisher.subject} hears {len(found)} of {MESSAGES} messages of the publisher "
                f"{publisher.name} (waited {PUBLISHED_SECONDS:g} s)"
            )
        return found
    return live.wait(
        lambda: found if len(found := traffic.kept_on(url, publisher.subject)) >= MESSAGES else None,
        limit=PUBLISHED_SECONDS,
        otherwise=lambda: (
            f"a stream holds {len(traffic.kept_on(url, publisher.subject))} of {MESSAGES} messages of the "
            f"publisher {publisher.name} on {publisher.subject}"
        ),
    )


def _check_numbers(live: Live, publisher: Publisher, messages: Sequence[bytes]) -> None:
    try:
        numbers = [sequence_in(message) for message in messages]
    except ValueError as error:
        raise live.failure(f"the publisher {publisher.name} makes no messages as it was made to: {error}") from error
    first = numbers[0] if publisher.core else 1  # a stream keeps them from the first on
    if numbers != list(range(first, first + len(numbers))):
        raise live.failure(f"the publisher {publisher.name} leaves numbers out or has them twice: {numbers}")


def _await_heard(live: Live, subscriber: Subscriber, expected: int) -> None:
    def otherwise() -> str:
        told = live.pubsub(SUBSCRIBERS)[subscriber.name]
        seen = f"{subscriber.name} has heard {told['heard']} of {expected} messages on {subscriber.subject}"
        return f"{seen}; its last error: {told['last_error']}" if told.get("last_error") else seen

    live.wait(
        lambda: live.pubsub(SUBSCRIBERS)[subscriber.name]["heard"] == expected,
        limit=HEARD_SECONDS,
        otherwise=otherwise,
    )
