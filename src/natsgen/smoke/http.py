"""How a gateway answers HTTP: each route leads to its action or to its stream."""

from __future__ import annotations

import json
import re

from natsgen import naming
from natsgen.harness.http_client import Response
from natsgen.parts.routes import Route
from natsgen.smoke import events
from natsgen.smoke.live import Live
from natsgen.smoke.steps import NothingToDo
from natsgen.smoke.traffic import request

CALLED, PUBLISHED, REFUSED = 200, 202, 422
WITHOUT_BODY = ("GET", "DELETE")


def http(live: Live) -> str:
    """Check that each route answers, that what it publishes is handled, and that invalid requests are refused."""
    if not live.routes:
        raise NothingToDo("it has no routes")
    for route in live.routes:
        answer = _ask(live, route, json.dumps(request()))
        expected = PUBLISHED if route.publish else CALLED
        if answer.status != expected:
            raise live.failure(f"{route.does} answered {answer.status}, not {expected}: {answer.body[:300]}")
        if route.publish:
            for handler in live.handlers:
                live.handled[handler.name] += naming.matches(handler.subject, route.subject)
        if route.method not in WITHOUT_BODY:
            refused = _ask(live, route, "{")
            if refused.status != REFUSED:
                raise live.failure(f"{route.does} answered {refused.status} to what is no JSON, not {REFUSED}")
    events.await_handled(live)
    return f"{len(live.routes)} routes answered"


def _ask(live: Live, route: Route, body: str) -> Response:
    path = re.sub(r"\{[^}]*\}", "Ada", route.path)
    if route.method in WITHOUT_BODY:
        query = "&".join(f"{name}={value}" for name, value in request().items() if f"{{{name}}}" not in route.path)
        return live.running.request(f"{path}?{query}" if query else path, method=route.method)
    return live.running.request(path, method=route.method, body=body)
