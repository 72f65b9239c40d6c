"""Show and do what the page offers: the services and their figures, what flows, dead letters, and sending."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from nats.aio.client import Client

from natsgen import naming
from natsgen.cli import output
from natsgen.dev import figures, samples, sending
from natsgen.dev.catalog import Catalog, Part, Source
from natsgen.dev.figures import Figures
from natsgen.dev.history import Entry, History, Record
from natsgen.dev.service import DevService, State
from natsgen.dev.session import Session
from natsgen.dev.traffic import Traffic
from natsgen.dlq import bulk, payload, reading, selection
from natsgen.dlq.bulk import Tally
from natsgen.dlq.connection import Connection, Stop
from natsgen.dlq.letters import Summary
from natsgen.dlq.selection import Selection
from natsgen.errors import InputError, NatsgenError, ServiceError

REFRESH = 1.0  # seconds between two looks at the services
SUBJECTS = 200  # on the map, beside those that services name
ROWS = 100  # messages that the page lists
CHAIN = 200  # messages of one correlation id that it shows
LETTERS = 500  # dead letters that it lists, the newest
SENDABLE = ("handler", "task", "action", "subscriber")


class Board:
    """The state of a running `natsgen dev` for the page, and what the page may do.

    Args:
        session: the services.
        client: a connection to their NATS.
    """

    def __init__(self, session: Session, client: Client) -> None:
        self.history = History()
        self._session = session
        self._client = client
        self._traffic = Traffic(client, self.history, self._unstored)
        self._catalogs: dict[str, Catalog] = {}
        self._problems: dict[str, str] = {}
        self._figures: dict[str, Figures] = {}
        self._asked: dict[str, int] = {}
        self._counted: tuple[float, Counter[str], Counter[str]] = (time.monotonic(), Counter(), Counter())
        self._rates: dict[str, float] = {}
        session.takers.append(lambda _, line: self.history.log(str(line.get("service", "")), line))

    async def run(self) -> None:
        """Look at the services, and read what flows, until the task is cancelled."""
        await asyncio.gather(self._traffic.run(), self._refresh())

    def snapshot(self) -> dict[str, Any]:
        """Return the services, handlers, and the map with its rates."""
        return {
            "services": [self._service(service) for service in self._services()],
            "handlers": [row for service in self._services() for row in self._parts_of(service.name)],
            "map": self._map(),
            "streams": [
                {"name": name, "subjects": info.config.subjects or [], "messages": info.state.messages}
                for name, info in sorted(self._traffic.streams.items())
            ],
            "letters": self._letters_kept(),
            "total": self.history.total,
        }

    def messages(self, text: str, after: int) -> tuple[list[dict[str, Any]], int]:
        """Return the newest messages that fit a text and have changed since a version, and the newest version."""
        found = self.history.newest(text, ROWS)
        newest = max((record.version for record in found), default=after)
        return [record.summary() for record in found if record.version > after], max(newest, after)

    def message(self, number: int) -> dict[str, Any]:
        """Return a message in full, with the chain that it belongs to.

        Raises:
            InputError: it is not kept any more.
        """
        record = self.history.record(number)
        if record is None:
            raise InputError(f"message {number} is not kept any more")
        return {**_full(record), "chain": self.chain(record.correlation)}

    def chain(self, correlation: str) -> list[dict[str, Any]]:
        """Return the messages of a correlation id, each with what became of it, oldest first."""
        return [{**one.summary(), "life": _life(one)} for one in self.history.chain(correlation)[:CHAIN]]

    def targets(self) -> list[dict[str, Any]]:
        """Return what can be sent to, with the schema and an example of each."""
        return [
            {
                "service": name,
                "kind": part.kind,
                "name": part.name,
                "subject": part.subject,
                "schema": part.schema,
                "example": samples.text(samples.sample(part)),
            }
            for name, catalog in sorted(self._catalogs.items())
            for part in catalog.parts
        ]

    async def send(self, service: str, kind: str, name: str, subject: str, text: str) -> dict[str, Any]:
        """Send a payload to a part, checked by the service's own code.

        Returns:
            The correlation id of what was published, or the reply of an action.

        Raises:
            NatsgenError: the part does not take it, or nobody stores or answers it.
        """
        if service not in self._catalogs or kind not in SENDABLE:
            raise InputError(f"{service} has nothing to send to: it did not start yet")
        part = self._catalogs[service].part(name, kind)
        try:
            data = json.loads(text) if text.strip() else None
        except (ValueError, RecursionError) as error:
            raise InputError(f"it is no JSON: {error}") from error
        given = samples.complete(part, data)
        content = json.dumps(given)
        if problem := (await asyncio.to_thread(self._source(service).problems, part, [content]))[0]:
            raise InputError(f"{name} does not take it: {problem}")
        body = b"" if given is None else content.encode()
        if kind == "action":
            reply = await sending.call(self._connection(), part, body)
            return {"reply": _text_of(reply.payload, len(reply.payload)), "error": reply.error}
        correlation = str(uuid4())
        await sending.publish(self._connection(), part, body, sending.subject_of(part, subject or None), correlation)
        return {"correlation": correlation}

    async def letters(self) -> list[dict[str, Any]]:
        """Return the newest dead letters, newest first."""
        chosen = await selection.choose(self._connection(), Selection(), [], lambda *_: None)
        return [_letter(summary) for summary in list(chosen.letters)[: -LETTERS - 1 : -1]]

    async def letter(self, number: int) -> dict[str, Any]:
        """Return a dead letter in full."""
        found = await reading.letter_with_payload(self._connection(), number)
        headers = dict(found.letter.headers)
        shown = found.payload if found.payload is not None else b""
        return {
            **_letter(found.letter.summary()),
            "headers": headers,
            "stack": _lines(headers.get("Dlq-Stack", "").replace("\\n", "\n")),
            "payload": _text_of(shown, len(shown)),
            "problem": found.problem,
        }

    async def replay(self, numbers: list[int]) -> dict[str, Any]:
        """Send dead letters to the handlers that failed once more."""
        connection = self._connection()
        chosen = await selection.choose(connection, Selection(), numbers, lambda *_: None)
        target = await bulk.target_for(connection, None)
        tally = Tally(len(chosen.letters))
        await bulk.replay(connection, Stop(), chosen.letters, target, tally, None, lambda *_: None)
        return asdict(tally)

    async def purge(self, numbers: list[int]) -> dict[str, Any]:
        """Delete dead letters for good."""
        connection = self._connection()
        chosen = await selection.choose(connection, Selection(), numbers, lambda *_: None)
        tally = Tally(len(chosen.letters))
        await bulk.purge(connection, Stop(), chosen.letters, tally, lambda *_: None)
        return asdict(tally)

    def _services(self) -> list[DevService]:
        return [self._session.services[name] for name in sorted(self._session.services)]

    def _connection(self) -> Connection:
        return Connection(self._client, asyncio.get_running_loop().create_future())

    def _source(self, name: str) -> Source:
        service = self._session.services[name]
        if service.python is None:
            raise ServiceError(f"{name} has no environment yet")
        return Source(service.folder, service.python, service.variables)

    def _unstored(self) -> list[str]:
        parts = [part for catalog in self._catalogs.values() for part in catalog.parts]
        return [part.subject for part in parts if not part.is_stored]

    async def _refresh(self) -> None:
        while True:
            services = self._services()
            answers = await asyncio.gather(*(figures.ask(service) for service in services))
            self._figures = {service.name: answer for service, answer in zip(services, answers, strict=True)}
            for service in services:
                if service.state is State.READY and self._asked.get(service.name) != service.starts:
                    self._asked[service.name] = service.starts
                    await self._ask_catalog(service.name)
            for name in self._catalogs.keys() - self._session.services.keys():
                del self._catalogs[name]
            self._measure()
            await asyncio.sleep(REFRESH)

    async def _ask_catalog(self, name: str) -> None:
        try:
            catalog = await asyncio.to_thread(self._source(name).catalog)
        except NatsgenError as error:
            self._problems[name] = str(error)
            return
        self._problems.pop(name, None)
        self._catalogs[name] = catalog
        for part in catalog.parts:
            for durable in (part.durable, f"{part.durable}-high", f"{part.durable}-low"):
                if part.is_stored:
                    self.history.handlers[durable] = f"{catalog.service}.{part.name}"

    def _measure(self) -> None:
        then, published, settled = self._counted
        now = time.monotonic()
        self._counted = now, self.history.published.copy(), self.history.settled.copy()
        seconds = max(now - then, 0.001)
        self._rates = {
            name: round((count - before[name]) / seconds, 1)
            for current, before in ((self.history.published, published), (self.history.settled, settled))
            for name, count in current.items()
            if count != before[name]
        }

    def _letters_kept(self) -> int:
        info = self._traffic.streams.get("DLQ")
        return info.state.messages if info else 0

    def _service(self, service: DevService) -> dict[str, Any]:
        found = self._figures.get(service.name, Figures())
        ready = found.ready and service.state is State.READY
        return {
            "name": service.name,
            "state": service.state,
            "ready": ready,
            "reason": found.reason if service.state is State.READY else service.reason,
            "problem": self._problems.get(service.name, ""),
            "url": f"http://127.0.0.1:{service.port}" if service.port else "",
            "starts": service.starts,
        }

    def _parts_of(self, name: str) -> Iterator[dict[str, Any]]:
        catalog, found = self._catalogs.get(name, Catalog(name)), self._figures.get(name, Figures())
        actions = {one.get("action"): one for one in found.stats.get("actions", [])}
        for part in catalog.parts:
            stats = found.stats.get("subscriptions", {}).get(part.name) or actions.get(part.name) or {}
            errors = stats.get("dead_letters") or stats.get("errors") or {}
            yield {
                "service": name,
                "who": f"{catalog.service}.{part.name}",
                "kind": part.kind,
                "name": part.name,
                "file": part.file,
                "subject": part.subject,
                "rate": self._rates.get(part.durable or part.subject, 0.0),
                "lag": stats.get("pending"),
                "in_flight": stats.get("in_flight", 0),
                "handled": stats.get("handled", stats.get("requests", 0)),
                "retried": stats.get("retried", 0),
                "dead": sum(errors.values()) if isinstance(errors, dict) else 0,
                "p50": found.quantile(part.name, 0.5),
                "p99": found.quantile(part.name, 0.99),
                "trouble": stats.get("trouble", ""),
                "last_error": _lines(str(stats.get("last_error") or "")),
            }

    def _map(self) -> list[dict[str, Any]]:
        """Return each subject with who publishes and who consumes it, and its messages a second."""
        parts = [(catalog, part) for catalog in self._catalogs.values() for part in catalog.parts]
        publishers: dict[str, set[str]] = {}
        for catalog, part in parts:
            for subject in part.publishes:
                publishers.setdefault(subject, set()).add(f"{catalog.service}.{part.name}")
        for catalog in self._catalogs.values():
            for subject in set(catalog.publishes).difference(*(part.publishes for part in catalog.parts)):
                publishers.setdefault(subject, set()).add(catalog.service)
        named = {part.subject for _, part in parts} | publishers.keys()
        seen = [
            one for one, _ in self.history.published.most_common(SUBJECTS) if not one.startswith(("dlq.", "replay."))
        ]
        others = [one for one in seen if not any(naming.matches(pattern, one) for pattern in named)]
        return [
            {
                "subject": subject,
                "stream": self._stream_of(subject),
                "rate": round(sum(rate for one, rate in self._rates.items() if naming.matches(subject, one)), 1),
                "total": sum(count for one, count in self.history.published.items() if naming.matches(subject, one)),
                "publishers": sorted(publishers.get(subject, ())),
                "consumers": [
                    {"who": f"{catalog.service}.{part.name}", "kind": part.kind, "rate": self._rate_of(part)}
                    for catalog, part in parts
                    if part.subject == subject or naming.matches(part.subject, subject)
                ],
            }
            for subject in sorted(named) + sorted(others)
        ]

    def _rate_of(self, part: Part) -> float:
        return self._rates.get(part.durable or part.subject, 0.0)

    def _stream_of(self, subject: str) -> str:
        for name, info in self._traffic.streams.items():
            if any(naming.matches(pattern, subject) for pattern in info.config.subjects or ()):
                return name
        return ""


def _full(record: Record) -> dict[str, Any]:
    return {
        **record.summary(),
        "stream": record.stream,
        "sequence": record.sequence,
        "headers": {_line(name): _line(value) for name, value in record.headers.items()},
        "payload": _text_of(record.payload, record.size),
        "life": _life(record),
    }


def _life(record: Record) -> list[dict[str, Any]]:
    return [_entry(entry) for entry in record.life]


def _entry(entry: Entry) -> dict[str, Any]:
    return {**asdict(entry), "text": _lines(entry.text), "stack": _lines(entry.stack)}


def _letter(summary: Summary) -> dict[str, Any]:
    return {
        "id": summary.id,
        "service": summary.service,
        "handler": summary.handler,
        "reason": _line(summary.reason),
        "time": summary.when.timestamp(),
        "error": _line(summary.error),
        "correlation": summary.correlation,
        "size": summary.size,
    }


def _text_of(content: bytes, size: int) -> dict[str, Any]:
    """Return a payload as it can be read, and nothing in it that a browser or a terminal could obey."""
    shown = payload.decode(content)
    rest = size - len(content) + shown.rest
    return {"kind": shown.kind, "text": "\n".join(map(_line, shown.lines)), "rest": rest}


def _line(text: str) -> str:
    return output.printable(text)


def _lines(text: str) -> str:
    return "\n".join(map(_line, text.splitlines()))
