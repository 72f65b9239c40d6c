"""Checks that a sample answers requests over NATS and HTTP."""

from __future__ import annotations

import json
import re

from natsgen.harness.http_client import Response
from natsgen.parts.actions import Action
from natsgen.parts.routes import Route
from natsgen.smoke import delivery, traffic
from natsgen.smoke.running import Running
from natsgen.smoke.traffic import REQUEST

CALLED, PUBLISHED, REFUSED = 200, 202, 422
WITHOUT_BODY = ("GET", "DELETE")


def requests(run: Running) -> str:
    """Check that each action answers, rejects invalid requests, and is an endpoint of a NATS micro service."""
    subjects = [action.subject_in(run.name) for action in run.parts(Action)]
    for subject in subjects:
        answer = traffic.ask(run.url, subject, REQUEST)
        if "result" not in answer:
            raise run.failure(f"{subject} answered a request with {answer}")
        refused = traffic.ask(run.url, subject, {"": None})
        if refused.get("error", {}).get("code") != str(REFUSED):
            raise run.failure(f"{subject} answered an empty request with {refused}, not {REFUSED}")
    known = traffic.ask(run.url, f"$SRV.INFO.{run.name}")
    endpoints = {endpoint["subject"] for endpoint in known.get("endpoints", [])}
    if missing := sorted(set(subjects) - endpoints):
        raise run.failure(f"$SRV.INFO does not list {', '.join(missing)}")
    for stats in run.service.stats()["actions"]:
        if stats["subject"] in subjects and (stats["requests"], stats["errors"]) != (2, {str(REFUSED): 1}):
            counts = f"{stats['requests']} requests and the errors {stats['errors']}"
            raise run.failure(f"/stats reports {counts} for {stats['subject']}")
    return f"{len(subjects)} actions answered and are listed by nats micro"


def http(run: Running) -> str:
    """Check that each route answers, that its publications are handled, and that invalid requests are rejected."""
    routes = run.parts(Route)
    for route in routes:
        answer = _ask(run, route, json.dumps(REQUEST))
        expected = PUBLISHED if route.publish else CALLED
        if answer.status != expected:
            raise run.failure(f"{route.does} answered {answer.status}, not {expected}: {answer.body[:300]}")
        if route.publish:
            delivery.expect(run, route.subject, 1)
        if route.method not in WITHOUT_BODY:
            refused = _ask(run, route, "{")
            if refused.status != REFUSED:
                raise run.failure(f"{route.does} answered invalid JSON with {refused.status}, not {REFUSED}")
    delivery.await_handled(run)
    return f"{len(routes)} routes answered"


def _ask(run: Running, route: Route, body: str) -> Response:
    path = re.sub(r"\{[^}]*\}", "Ada", route.path)
    if route.method in WITHOUT_BODY:
        query = "&".join(f"{name}={value}" for name, value in REQUEST.items() if f"{{{name}}}" not in route.path)
        return run.request(f"{path}?{query}", method=route.method)
    return run.request(path, method=route.method, body=body)
