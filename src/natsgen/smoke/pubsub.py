"""Checks that publishers publish without gaps, and that subscribers receive every message."""

from __future__ import annotations

import json
from collections.abc import Sequence

from natsgen.parts.publishers import PUBLISHERS, Publisher
from natsgen.parts.subscribers import SUBSCRIBERS, Subscriber
from natsgen.smoke import traffic
from natsgen.smoke.running import Running
from natsgen.smoke.traffic import event, literal

MESSAGES = 3
"""Messages of each publisher: enough to show a gap, and few, because some publish seconds apart."""
EACH = 20
"""Events for each subscriber."""
PUBLISHED_SECONDS = 30.0
RECEIVED_SECONDS = 30.0


def publishers(run: Running) -> str:
    """Check that each publisher's messages arrive without a gap, in its stream or at subscribers."""
    for publisher in run.parts(Publisher):
        _check_numbers(run, publisher, _messages_of(run, publisher))
        if failed := run.stats_of(PUBLISHERS, publisher.name)["failed"]:
            raise run.failure(f"the publisher {publisher.name} failed to create {failed} messages")
    return f"messages of {len(run.parts(Publisher))} publishers arrived without gaps"


def subscribers(run: Running) -> str:
    """Check that each subscriber receives every message once."""
    envelope = str(run.work.answers.get("envelope", traffic.DOMAIN))
    for subscriber in run.parts(Subscriber):
        name = subscriber.name
        expected = run.stats_of(SUBSCRIBERS, name)["heard"] + EACH
        subject = literal(subscriber.subject)
        traffic.publish_core(run.url, [event(subject, run.published + number, envelope) for number in range(EACH)])
        run.published += EACH
        run.await_count(
            lambda name=name: run.stats_of(SUBSCRIBERS, name),  # type: ignore[misc]
            "heard",
            expected,
            name=name,
            what=f"messages on {subscriber.subject}",
            limit=RECEIVED_SECONDS,
        )
    return f"each of {len(run.parts(Subscriber))} subscribers received {EACH} messages"


def _messages_of(run: Running, publisher: Publisher) -> Sequence[bytes]:
    subject = publisher.subject

    def otherwise() -> str:
        place = f"subscribers of {subject}" if publisher.core else f"the stream of {subject}"
        return f"{place} received fewer than {MESSAGES} messages of the publisher {publisher.name}"

    def messages() -> Sequence[bytes] | None:
        if publisher.core:
            found = traffic.next_messages(run.url, subject, MESSAGES, limit=PUBLISHED_SECONDS)
        else:
            found = traffic.stored_messages(run.url, subject, MESSAGES)
        return found if len(found) == MESSAGES else None

    return run.wait(messages, limit=PUBLISHED_SECONDS, otherwise=otherwise)


def _check_numbers(run: Running, publisher: Publisher, messages: Sequence[bytes]) -> None:
    try:
        numbers = [int(json.loads(message)["data"]["sequence"]) for message in messages]
    except (KeyError, TypeError, ValueError) as error:
        raise run.failure(f"the publisher {publisher.name} sends messages without a number: {messages[0]!r}") from error
    first = numbers[0] if publisher.core else 1  # a stream stores them all
    if numbers != list(range(first, first + len(numbers))):
        raise run.failure(f"the publisher {publisher.name} skips or repeats numbers: {numbers}")
