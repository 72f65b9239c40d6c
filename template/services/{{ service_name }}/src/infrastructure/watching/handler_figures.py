"""What `/stats` says of one handler."""

from __future__ import annotations

import dataclasses
from typing import Any

from src.infrastructure.handler_runner import HandlerRunner


def figures_of(runner: HandlerRunner, service: str) -> dict[str, Any]:
    """Where a handler's messages come from, what became of them, what is here now, and by which policy.

    Args:
        runner: of the handler.
        service: name of the service.
    """
    subscription, stats = runner.subscription, runner.stats
    return {
        "subject": runner.intake.subject,
        "durable": subscription.durable_for(service),
        "trouble": runner.trouble,
        "replay_trouble": runner.intake.replay_trouble,
        "received": stats.received,
        "handled": stats.handled,
        "retried": stats.retried,
        "scheduled": stats.scheduled,
        "held": stats.held,
        "released": stats.released,
        "duplicates": stats.duplicates,
        "dead_letters": dict(stats.dead_letters),
        "pending": stats.pending,
        "buffered": runner.buffered,
        "in_flight": runner.in_flight,
        "last_error": stats.last_error,
        "policy": {
            "concurrency": subscription.concurrency,
            "prefetch": subscription.prefetch,
            "ack_wait": subscription.ack_wait,
            "ack_sync": subscription.ack_sync,
            "max_ack_pending": subscription.max_ack_pending,
            "max_attempts": subscription.max_attempts,
            "backoff": dataclasses.asdict(subscription.backoff),
            "schedule_above": subscription.schedule_above,
        },
    }
