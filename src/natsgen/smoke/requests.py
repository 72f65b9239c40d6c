"""How a sample answers requests over NATS, and what it tells of itself there."""

from __future__ import annotations

from natsgen.parts.actions import Action
from natsgen.smoke import traffic
from natsgen.smoke.live import Live
from natsgen.smoke.steps import NothingToDo
from natsgen.smoke.traffic import request

REFUSED = "422"


def requests(live: Live) -> str:
    """Check that each action answers, refuses invalid requests, and is an endpoint of a NATS micro service."""
    if not live.actions:
        raise NothingToDo("it has no actions")
    url = live.running.nats_url
    for action in live.actions:
        subject = action.subject_in(live.service)
        answer = traffic.ask(url, subject, request())
        if "result" not in answer:
            raise live.failure(f"{subject} answered a request with {answer}")
        refused = traffic.ask(url, subject, {"": None})
        if refused.get("error", {}).get("code") != REFUSED:
            raise live.failure(f"{subject} answered a request that lacks everything with {refused}, not with {REFUSED}")
    known = traffic.ask(url, f"$SRV.INFO.{live.service}", {})
    endpoints = {endpoint["subject"] for endpoint in known.get("endpoints", [])}
    if missing := sorted({one.subject_in(live.service) for one in live.actions} - endpoints):
        raise live.failure(f"$SRV.INFO does not tell of {', '.join(missing)}")
    _check_counts(live)
    return f"{len(live.actions)} actions answered, known to nats micro"


def _check_counts(live: Live) -> None:
    counts = {one["subject"]: one for one in live.running.stats()["actions"]}
    for action in live.actions:
        of = counts[action.subject_in(live.service)]
        if (of["requests"], of["errors"]) != (2, {REFUSED: 1}):
            raise live.failure(
                f"/stats says of {_name(action)} {of['requests']} requests and the errors {of['errors']}"
            )


def _name(action: Action) -> str:
    return f"{action.does} version {action.version}"
