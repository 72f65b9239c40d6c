"""What a sample publishes by itself, numbered without holes, and what it hears of what others publish."""

from __future__ import annotations

import json
from collections.abc import Sequence

from natsgen.parts.publishers import PUBLISHERS, Publisher
from natsgen.parts.subscribers import SUBSCRIBERS, Subscriber
from natsgen.smoke import traffic
from natsgen.smoke.running import Running
from natsgen.smoke.traffic import event, literal

MESSAGES = 3
"""Of each publisher, some of which take seconds from one to the next: the fewest that have something between them."""
EACH = 20
"""Events for each subscriber."""
PUBLISHED_SECONDS = 30.0
HEARD_SECONDS = 30.0


def publishers(run: Running) -> str:
    """Check that each publisher's messages arrive, in its stream or at subscribers, without a gap."""
    for publisher in run.parts(Publisher):
        _check_numbers(run, publisher, _messages_of(run, publisher))
        if failed := run.told(PUBLISHERS, publisher.name)["failed"]:
            raise run.failure(f"the publisher {publisher.name} could not make {failed} messages")
    return f"messages of {len(run.parts(Publisher))} publishers arrived without a hole"


def subscribers(run: Running) -> str:
    """Check that each subscriber receives every message once."""
    envelope = str(run.work.answers.get("envelope", traffic.DOMAIN))
    for subscriber in run.parts(Subscriber):
        name = subscriber.name
        expected = run.told(SUBSCRIBERS, name)["heard"] + EACH
        subject = literal(subscriber.subject)
        traffic.publish_core(run.url, [event(subject, run.published + number, envelope) for number in range(EACH)])
        run.published += EACH
        run.await_count(
            lambda name=name: run.told(SUBSCRIBERS, name),  # type: ignore[misc]
            "heard",
            expected,
            name=name,
            what=f"messages on {subscriber.subject}",
            limit=HEARD_SECONDS,
        )
    return f"{EACH} messages were heard by each of {len(run.parts(Subscriber))} subscribers"


def _messages_of(run: Running, publisher: Publisher) -> Sequence[bytes]:
    subject = publisher.subject

    def otherwise() -> str:
        place = f"who listens on {subject} hears" if publisher.core else f"the stream of {subject} holds"
        return f"{place} fewer than {MESSAGES} messages of the publisher {publisher.name}"

    def messages() -> Sequence[bytes] | None:
        if publisher.core:
            found = traffic.heard_on(run.url, subject, MESSAGES, limit=PUBLISHED_SECONDS)
        else:
            found = traffic.kept_on(run.url, subject, MESSAGES)
        return found if len(found) == MESSAGES else None

    return run.wait(messages, limit=PUBLISHED_SECONDS, otherwise=otherwise)


def _check_numbers(run: Running, publisher: Publisher, messages: Sequence[bytes]) -> None:
    try:
        numbers = [int(json.loads(message)["data"]["sequence"]) for message in messages]
    except (KeyError, TypeError, ValueError) as error:
        raise run.failure(f"the publisher {publisher.name} makes messages without a number: {messages[0]!r}") from error
    first = numbers[0] if publisher.core else 1  # a stream keeps them from the first on
    if numbers != list(range(first, first + len(numbers))):
        raise run.failure(f"the publisher {publisher.name} leaves numbers out or has them twice: {numbers}")
