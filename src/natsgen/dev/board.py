"""Collect the state of services and messages for the page, and send what the page's form sends."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import uuid4

from nats.aio.client import Client

from natsgen.dev import figures, flows, samples, sending
from natsgen.dev.catalog import Catalog, Source
from natsgen.dev.figures import Figures
from natsgen.dev.history import History, Record
from natsgen.dev.readable import payload_of
from natsgen.dev.service import DevService, State
from natsgen.dev.session import Session
from natsgen.dev.traffic import Traffic
from natsgen.dlq.connection import Connection
from natsgen.errors import InputError, NatsgenError, ServiceError

REFRESH = 1.0  # seconds between two looks at the services
ROWS = 100  # messages that the page lists
CHAIN = 200  # messages of one correlation id that it shows
SENDABLE = ("handler", "task", "action", "subscriber")
NOTHING = Catalog("")


@dataclass
class Seen:
    """The latest facts about a service.

    Attributes:
        catalog: its parts; none before its first start.
        problem: why its code could not be inspected; empty if it was.
        starts: how often it had been started when its code was inspected.
        figures: its readiness and counts, as of the last look.
    """

    catalog: Catalog = NOTHING
    problem: str = ""
    starts: int = 0
    figures: Figures = field(default_factory=Figures)


class Board:
    """The state of a running `natsgen dev` for the page.

    Args:
        session: the services.
        client: a connection to their NATS.
    """

    def __init__(self, session: Session, client: Client) -> None:
        self.history = History()
        self._session = session
        self._client = client
        self._traffic = Traffic(client, self.history, self._unstored)
        self._seen: dict[str, Seen] = {}
        self._counted: tuple[float, Counter[str]] = time.monotonic(), Counter()
        self._rates: dict[str, float] = {}
        self._flows: list[dict[str, Any]] = []
        session.takers.append(lambda _, line: self.history.log(str(line.get("service", "")), line))

    async def run(self) -> None:
        """Watch the services and read messages until the task is cancelled."""
        await asyncio.gather(self._traffic.run(), self._refresh())

    def connection(self) -> Connection:
        """Return the connection in the form that the dead-letter functions need."""
        return Connection(self._client, asyncio.get_running_loop().create_future())

    def snapshot(self) -> dict[str, Any]:
        """Return the services, handlers, and the map with its rates."""
        letters = self._traffic.streams.get("DLQ")
        services = [(service, self._seen.get(service.name, Seen())) for service in self._services()]
        return {
            "services": [_service(service, seen) for service, seen in services],
            "handlers": [row for service, seen in services for row in self._parts_of(service.name, seen)],
            "map": self._flows,
            "letters": letters.state.messages if letters else 0,
            "total": self.history.total,
        }

    def messages(self, text: str, after: int) -> tuple[list[dict[str, Any]], int]:
        """Return the newest messages that fit a text and have changed since a version, and the newest version."""
        found = [record for record in self.history.newest(text, ROWS) if record.version > after]
        return [record.summary() for record in found], max((record.version for record in found), default=after)

    def message(self, number: int) -> dict[str, Any]:
        """Return a message in full, with the chain that it belongs to.

        Raises:
            InputError: the message is no longer kept.
        """
        record = self.history.record(number)
        if record is None:
            raise InputError(f"message {number} is no longer kept")
        return {
            **_with_life(record),
            "stream": record.stream,
            "sequence": record.sequence,
            "headers": dict(record.headers),
            "payload": payload_of(record.payload, record.size),
            "chain": self.chain(record.correlation),
        }

    def chain(self, correlation: str) -> list[dict[str, Any]]:
        """Return the messages of a correlation id, each with what became of it, oldest first."""
        return [_with_life(one) for one in self.history.chain(correlation)[:CHAIN]]

    def targets(self) -> list[dict[str, Any]]:
        """Return what can be sent to, with the schema and an example of each."""
        return [
            {**asdict(part), "service": name, "example": samples.text(samples.sample(part))}
            for name, seen in sorted(self._seen.items())
            for part in seen.catalog.parts
        ]

    async def send(self, service: str, kind: str, name: str, subject: str, text: str) -> dict[str, Any]:
        """Send a payload to a part, checked by the service's own code.

        Returns:
            The correlation id of what was published, or the reply of an action.

        Raises:
            NatsgenError: the payload is invalid for the part, or no stream stores it or nobody answers.
        """
        catalog = self._seen.get(service, Seen()).catalog
        if catalog is NOTHING or kind not in SENDABLE:
            raise InputError(f"{service} has nothing to send to: it did not start yet")
        part = catalog.part(name, kind)
        given = samples.complete(part, samples.parsed(text) if text.strip() else None)
        content = json.dumps(given)
        await asyncio.to_thread(self._source(service).check, part, content)
        body = b"" if given is None else content.encode()
        if kind == "action":
            reply = await sending.call(self.connection(), part, body)
            return {"reply": payload_of(reply.payload, len(reply.payload)), "error": reply.error}
        correlation = str(uuid4())
        await sending.publish(self.connection(), part, body, sending.subject_of(part, subject or None), correlation)
        return {"correlation": correlation}

    def _services(self) -> list[DevService]:
        return [self._session.services[name] for name in sorted(self._session.services)]

    def _catalogs(self) -> list[Catalog]:
        return [seen.catalog for seen in self._seen.values()]

    def _source(self, name: str) -> Source:
        service = self._session.services[name]
        if service.python is None:
            raise ServiceError(f"{name} has no environment yet")
        return Source(service.folder, service.python, service.variables)

    def _unstored(self) -> list[str]:
        return [part.subject for catalog in self._catalogs() for part in catalog.parts if not part.is_stored]

    async def _refresh(self) -> None:
        while True:
            services = self._services()
            answers = await asyncio.gather(*(figures.ask(service) for service in services))
            self._seen = {service.name: self._seen.get(service.name, Seen()) for service in services}
            for service, answer in zip(services, answers, strict=True):
                seen = self._seen[service.name]
                seen.figures = answer
                if service.state is State.READY and seen.starts != service.starts:
                    seen.starts = service.starts
                    await self._ask_catalog(service.name, seen)
            self._measure()
            await asyncio.sleep(REFRESH)

    async def _ask_catalog(self, name: str, seen: Seen) -> None:
        try:
            seen.catalog = await asyncio.to_thread(self._source(name).catalog)
        except NatsgenError as error:
            seen.problem = str(error)
            return
        seen.problem = ""
        for part in seen.catalog.parts:
            for durable in (part.durable, f"{part.durable}-high", f"{part.durable}-low"):
                if part.is_stored:
                    self.history.handlers[durable] = f"{seen.catalog.service}.{part.name}"

    def _measure(self) -> None:
        then, before = self._counted
        now, counts = time.monotonic(), self.history.published + self.history.settled
        self._counted = now, counts
        self._rates = {name: round(count / (now - then), 1) for name, count in (counts - before).items()}
        self._flows = flows.find(self._catalogs(), self.history.published, self._rates, self._traffic.streams)

    def _parts_of(self, name: str, seen: Seen) -> Iterator[dict[str, Any]]:
        catalog, found = seen.catalog, seen.figures
        actions = {one.get("subject"): one for one in found.stats.get("actions", [])}
        for part in catalog.parts:
            stats = found.stats.get("subscriptions", {}).get(part.name) or actions.get(part.subject) or {}
            errors = stats.get("dead_letters") or stats.get("errors") or {}
            yield {
                "service": name,
                "who": f"{catalog.service}.{part.name}",
                "kind": part.kind,
                "file": part.file,
                "subject": part.subject,
                "rate": flows.rate_of(part, self._rates),
                "lag": stats.get("pending"),
                "in_flight": stats.get("in_flight", 0),
                "handled": stats.get("handled", stats.get("requests", 0)),
                "retried": stats.get("retried", 0),
                "dead": sum(errors.values()) if isinstance(errors, dict) else 0,
                "p50": found.quantile(part.name, 0.5),
                "p99": found.quantile(part.name, 0.99),
                "trouble": stats.get("trouble", ""),
                "last_error": str(stats.get("last_error") or ""),
            }


def _service(service: DevService, seen: Seen) -> dict[str, Any]:
    is_ready = service.state is State.READY
    return {
        "name": service.name,
        "state": service.state,
        "ready": is_ready and seen.figures.ready,
        "reason": seen.figures.reason if is_ready else service.reason,
        "problem": seen.problem,
        "starts": service.starts,
    }


def _with_life(record: Record) -> dict[str, Any]:
    return {**record.summary(), "life": [asdict(entry) for entry in record.life]}
