"""What samples are made of: parts of every kind, with every option in use, or with names as long as they may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from natsgen import naming
from natsgen.parts import task_naming

ACTION = "greet"
LONGEST_SUBJECT = f"{'c' * 60}.{'d' * 31}.{'e' * 32}"
LONGEST_ACTION = "f" * naming.HANDLER_MAX_LENGTH


def plain(service: str, questions: Sequence[str]) -> dict[str, Any]:
    """The parts of a service, by question: every option is used by one of them."""
    made = {
        "handlers": {
            "order_created": "orders.order.created",
            "order_any": {"subject": "orders.order.*", "durable": f"{service}-archive", "concurrency": 3},
            "everything": {"subject": "parcels.>", "concurrency": 2, "batch": True},
        },
        "actions": {
            ACTION: {},
            "greet_v2": {"action": ACTION, "version": 2, "queue": False, "concurrency": 3, "timeout": 2.5},
        },
        "routes": _routes(service, questions),
        "tasks": {
            "send_email": {"queue": "emails"},
            "resize": {"queue": "images", "priority": "low", "concurrency": 3, "timeout": 20.5, "max_attempts": 4},
        },
        "publishers": {
            "taken": "readings.reading.taken",
            "measured": {"subject": "levels.level.measured", "interval": 0.2},
            "beat": {"subject": "hearts.beat", "interval": 0.1, "core": True},
        },
        "subscribers": {
            "taken": "readings.reading.taken",
            "levels": {"subject": "levels.>", "queue_group": "smoke-levels"},
            "beats": {"subject": "hearts.*", "queue_group": ""},
        },
    }
    return {question: made[question] for question in questions}


def longest(service: str, questions: Sequence[str]) -> dict[str, Any]:
    """The parts of a service, by question: one of each, with names as long as they may be."""
    name = "b" * naming.HANDLER_MAX_LENGTH
    made = {
        "handlers": naming.handlers_for([LONGEST_SUBJECT]),
        "actions": {LONGEST_ACTION: {}},
        "routes": _longest_routes(service, questions),
        "tasks": {name: {"queue": "q" * task_naming.QUEUE_MAX_LENGTH}},
        "publishers": {name: {"subject": LONGEST_SUBJECT, "interval": 0.2}},
        "subscribers": {name: {"subject": LONGEST_SUBJECT, "queue_group": "g" * 128}},
    }
    return {question: made[question] for question in questions}


def _routes(service: str, questions: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if "actions" in questions:
        call = f"v1.{service}.{ACTION}"
        made["greet"] = {"method": "POST", "path": "/greet", "call": call}
        made["hello"] = {"method": "GET", "path": "/hello/{name}", "call": call}
    if "handlers" in questions:
        made["order_created"] = {"method": "PUT", "path": "/orders/{order_id}", "publish": "orders.order.created"}
    return made


def _longest_routes(service: str, questions: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if "actions" in questions:
        path = f"/{{{'p' * 40}}}/{'e' * 60}"
        made["b" * naming.HANDLER_MAX_LENGTH] = {
            "method": "PATCH",
            "path": path,
            "call": f"v1.{service}.{LONGEST_ACTION}",
        }
    if "handlers" in questions:
        path = f"/{{{'q' * 40}}}/{'s' * 150}"
        made["c" * naming.HANDLER_MAX_LENGTH] = {"method": "DELETE", "path": path, "publish": LONGEST_SUBJECT}
    return made
