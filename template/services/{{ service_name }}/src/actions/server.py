"""Answers all actions, and `PING`, `INFO` and `STATS` of `$SRV`: the service is a NATS micro service.

https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-32.md
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import combinations
from typing import Any
from uuid import uuid4

from nats.aio.msg import Msg
from nats.micro.service import SEMVER_REGEX
from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError

from src.actions.action import Action
from src.actions.runner import ActionRunner
from src.actions.settings import ActionSettings, settings
from src.config import DESCRIPTION, VERSION
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.nats_client import NatsClient
from src.requests.subscriptions import CoreSubscription


class ActionServer:
    """All actions of the service, as a NATS micro service.

    nats-py's own micro service handles one request of an endpoint at a time, and loses requests that have not started
    when it stops. So only its protocol is used here.

    Args:
        actions: all actions of the service.
        nats: the worker's connection.
        own: the settings of actions.

    Raises:
        ConfigurationError: an action is invalid, two have the same subject, or the service's version is not a semantic
            version.
    """

    kind = "actions"

    def __init__(self, actions: Sequence[Action], nats: NatsClient, own: ActionSettings = settings) -> None:
        self.runners = [ActionRunner(action, nats, own) for action in actions]
        for one, other in combinations(self.runners, 2):
            if one.subject == other.subject:
                raise ConfigurationError(
                    f"{one.action.where} and {other.action.where} both answer {one.subject}; give one another name, "
                    f"`version=` or `subject=`"
                )
        if not SEMVER_REGEX.match(VERSION):
            raise ConfigurationError(
                f"pyproject.toml: version is {VERSION!r}; use a semantic version such as 1.2.3, which actions need"
            )
        self._nats = nats
        self._started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        name, identity = nats.service, uuid4().hex
        metadata = {"context": nats.settings.BOUNDED_CONTEXT, "hostname": nats.settings.HOSTNAME}
        self._identity = {"name": name, "id": identity, "version": VERSION, "metadata": metadata}
        self._subscriptions = [runner.subscription for runner in self.runners] + [
            CoreSubscription(nats, f"$SRV.{verb}{whom}", partial(self._answer, verb.lower(), describe))
            for verb, describe in (("PING", dict), ("INFO", self._info), ("STATS", self._counts))
            for whom in ("", f".{name}", f".{name}.{identity}")
        ]

    @property
    def trouble(self) -> str:
        """Return why no requests arrive; empty while they do."""
        return next((subscription.trouble for subscription in self._subscriptions if subscription.trouble), "")

    @property
    def in_flight(self) -> int:
        """Return the number of requests received and not answered."""
        return sum(runner.running + runner.waiting for runner in self.runners)

    def stats(self) -> list[dict[str, Any]]:
        """Return the counts of every action, for `/stats`."""
        return [runner.stats() for runner in self.runners]

    async def run(self) -> None:
        """Receive requests until `stop` is called."""
        await asyncio.gather(*(subscription.run() for subscription in self._subscriptions))

    async def stop(self, limit: float, hurry: asyncio.Future[None] | None = None) -> None:
        """Stop receiving, and answer the received requests within `limit` seconds or until `hurry` is done."""
        deadline = asyncio.get_running_loop().time() + limit
        await asyncio.gather(*(subscription.end() for subscription in self._subscriptions))
        left = deadline - asyncio.get_running_loop().time()
        await asyncio.gather(*(runner.stop(left, hurry) for runner in self.runners))

    def _answer(self, verb: str, describe: Callable[[], dict[str, Any]], request: Msg) -> None:
        body = {"type": f"io.nats.micro.v1.{verb}_response", **self._identity, **describe()}
        self._nats.answer(request.reply, json.dumps(body).encode())

    def _info(self) -> dict[str, Any]:
        endpoints = [{**_endpoint(runner), "metadata": _metadata(runner)} for runner in self.runners]
        return {"description": DESCRIPTION, "endpoints": endpoints}

    def _counts(self) -> dict[str, Any]:
        endpoints = [{**_endpoint(runner), **_counts_of(runner)} for runner in self.runners]
        return {"started": self._started, "endpoints": endpoints}


def _endpoint(runner: ActionRunner) -> dict[str, Any]:
    return {"name": runner.action.name, "subject": runner.subject, "queue_group": runner.subscription.queue}


def _counts_of(runner: ActionRunner) -> dict[str, Any]:
    counts, nanoseconds = runner.counts, int(runner.counts.seconds * 1_000_000_000)
    return {
        "num_requests": counts.requests,
        "num_errors": counts.errors.total(),
        "last_error": counts.last_error,
        "processing_time": nanoseconds,
        "average_processing_time": nanoseconds // max(counts.requests, 1),
        "data": None,
    }


def _metadata(runner: ActionRunner) -> dict[str, str]:
    action = runner.action
    found = {
        "version": str(action.version),
        "concurrency": str(action.concurrency),
        "timeout": f"{action.timeout:g}",
        "description": action.description,
        "request_schema": _schema(action.request_type, "validation"),
        "response_schema": _schema(action.response_type, "serialization"),
    }
    return {name: text for name, text in found.items() if text} | action.metadata


def _schema(annotation: Any, mode: Any) -> str:
    """Return the JSON schema of a type; empty if there is none."""
    if annotation in (None, Any, bytes):
        return ""
    try:
        return json.dumps(TypeAdapter(annotation).json_schema(mode=mode))
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError):
        return ""
