"""What becomes of events: handled once, and acknowledged."""

from __future__ import annotations

from natsgen import naming
from natsgen.parts.handlers import Handler
from natsgen.smoke import traffic
from natsgen.smoke.live import Live
from natsgen.smoke.steps import NothingToDo
from natsgen.smoke.traffic import Sent, event, literal

EACH = 20
"""Events for each handler: more than are handled at once."""
HANDLED_SECONDS = 30.0
SETTLED_SECONDS = 15.0
NO_INBOX = "none"


def events(live: Live) -> str:
    """Check that every event reaches its handlers, and is handled once and acknowledged."""
    if not live.handlers:
        raise NothingToDo("it has no handlers")
    for handler in live.handlers:
        subject = literal(handler.subject)
        sent = [event(subject, live.published + number, live.envelope) for number in range(EACH)]
        live.published += EACH
        traffic.publish(live.running.nats_url, sent)
        for other in live.handlers:
            live.handled[other.name] += EACH * naming.matches(other.subject, subject)
    await_handled(live)
    for handler in live.handlers:
        counts = live.counts(handler.name)
        for wrong in ("retried", "duplicates", "dead_letters"):
            if counts.get(wrong):
                raise live.failure(f"{handler.name}: {wrong} is {counts[wrong]} for events that nothing is wrong with")
    live.handles = True
    return f"{live.published} published, {live.handled.total()} handled by {len(live.handlers)} handlers"


def await_handled(live: Live) -> None:
    """Waits until every handler has handled what it was sent, and has acknowledged it.

    Raises:
        CheckFailed: it does not.
    """
    for handler in live.handlers:
        _await_handled_by(live, handler)


def _await_handled_by(live: Live, handler: Handler) -> None:
    expected = live.handled[handler.name]

    def otherwise() -> str:
        counts = live.counts(handler.name)
        seen = f"{handler.name} has handled {counts['handled']} of {expected} events on {handler.subject}"
        return f"{seen}; its last error: {counts['last_error']}" if counts.get("last_error") else seen

    live.wait(lambda: live.counts(handler.name)["handled"] == expected, limit=HANDLED_SECONDS, otherwise=otherwise)
    await_settled(live, handler.subject, handler.durable_in(live.service))


def inbox(live: Live) -> str:
    """Check that a handled event that is sent again is not handled again."""
    kind = live.running.inbox
    if kind == NO_INBOX or not live.handlers:
        raise NothingToDo("it has no inbox" if live.handlers else "it has no handlers")
    handler = live.handlers[0]
    subject = literal(handler.subject)
    known = event(subject, live.published, live.envelope)
    live.published += 1
    _publish(live, known)
    await_handled(live)
    before = live.counts(handler.name)
    traffic.forget_ids(live.running.nats_url, subject)
    traffic.publish(live.running.nats_url, [known])
    live.wait(
        lambda: live.counts(handler.name)["duplicates"] == before["duplicates"] + 1,
        limit=HANDLED_SECONDS,
        otherwise=lambda: f"{handler.name} did not know the event again, with the inbox {kind}",
    )
    await_handled(live)
    return f"{kind} knows an event again"


def _publish(live: Live, one: Sent) -> None:
    traffic.publish(live.running.nats_url, [one])
    for other in live.handlers:
        live.handled[other.name] += naming.matches(other.subject, one.subject)


def await_settled(live: Live, subject: str, durable: str) -> None:
    """Waits until a handler's consumer has nothing that is not settled.

    Raises:
        CheckFailed: it has.
    """
    url = live.running.nats_url
    live.wait(
        lambda: not traffic.unsettled(url, subject, durable),
        limit=SETTLED_SECONDS,
        otherwise=lambda: traffic.unsettled(url, subject, durable),
    )
