"""The demonstration, `python -m scripts.demo`: from one line to a worker that consumes, in a minute.

Nothing is mocked, and nothing is claimed that was not checked: each line of the summary was found so. Everything is
started on free ports in a temporary folder, and is gone afterwards, also after Ctrl-C.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from natsgen.errors import DONE, FAILED, INTERRUPTED
from natsgen.harness.commands import run
from natsgen.harness.consul_agent import ConsulAgent
from natsgen.harness.environment import cache_folder, environment_for
from natsgen.harness.errors import HarnessError, WaitTimeout
from natsgen.harness.local_server import LocalServer
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.programs import find_program, need_program
from natsgen.harness.reaper import temporary_folder
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from natsgen.workspace import MARKER


@dataclass(frozen=True)
class Fact:
    """One line of the summary: what is claimed, whether it was found so, and what was found."""

    claim: str
    holds: bool
    found: object


@dataclass
class Screen:
    """What is told, and what has been found."""

    coloured: bool
    facts: list[Fact] = field(default_factory=list)
    chapters: int = 0

    def chapter(self, title: str) -> None:
        """Begins the next chapter."""
        self.chapters += 1
        self.say("")
        self.say(self._in("1", f"{self.chapters}. {title}"))

    def say(self, text: str) -> None:
        """A line."""
        print(text, flush=True)

    def command(self, line: str) -> None:
        """A line as a person would type it."""
        self.say(self._in("36", f"   $ {line}"))

    def show(self, lines: Iterable[str]) -> None:
        """Text of somebody else, as it is."""
        for line in lines:
            self.say(f"     {line}".rstrip())

    def check(self, claim: str, holds: bool, found: object) -> None:
        """Notes a fact for the summary."""
        self.facts.append(Fact(claim, holds, found))

    def summary(self) -> bool:
        """Tells what was checked; whether all of it holds."""
        self.say("")
        self.say(self._in("1", "What was shown, each line checked:"))
        for fact in self.facts:
            if fact.holds:
                self.say(f"   {self._in('32', 'yes')}  {fact.claim}")
            else:
                self.say(f"   {self._in('1;31', 'NO')}   {fact.claim}; found: {fact.found}")
        return all(fact.holds for fact in self.facts)

    def _in(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.coloured else text


def takes_colour() -> bool:
    """Return whether standard output is a terminal that wants colour."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


SERVICE = "billing"
SUBJECT = "orders.order.created"
HANDLER = "order_created"
STREAM = "ORDERS"
DURABLE = f"{SERVICE}-{HANDLER}"

MESSAGES = 20
POISON_AT = 8
POISON = b"this is no JSON, and no number of attempts will change that"

GENERATE_SECONDS = 60.0
SETTLE_SECONDS = 20.0
"""For work of milliseconds, on the slowest machine."""
GRACE_SECONDS = 30.0
"""The worker's own default of GRACEFUL_SHUTDOWN_TIMEOUT."""

LETTER_HEADERS = ("Reason", "Error-Type", "Error", "Attempts", "Stream", "Sequence", "Subject", "Handler", "Failed-At")


def main() -> int:
    """Tells the story; the exit code: 0 as promised, 1 not, 130 interrupted."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # so that the clean-up runs
    try:
        screen = Screen(coloured=takes_colour())
        _tell(screen)
        if not screen.summary():
            print("\nnatsgen: the demo did not go as promised", file=sys.stderr)
            return FAILED
        _say_what_next(screen)
    except KeyboardInterrupt:
        print("\nnatsgen: interrupted; everything that was started is gone", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing may fail again at the exit
        return FAILED
    except (HarnessError, OSError) as error:
        print(f"\nnatsgen: the demo could not go on: {error}", file=sys.stderr)
        return FAILED
    return DONE


def _tell(screen: Screen) -> None:
    with temporary_folder("natsgen-demo-") as folder:
        servers = _tell_in(screen, folder)
    left = [server.name for server in servers if server.process.running] + [folder] * folder.exists()
    screen.check("everything that was started or written for this is gone again", not left, left)


def _tell_in(screen: Screen, folder: Path) -> list[LocalServer]:
    """Tell the story, everything of it in `folder`, and return what was started and stopped again."""
    with ExitStack() as parts:
        workspace = folder / "shop"
        service_folder = _generate(screen, workspace)
        python = _install(screen, service_folder)

        screen.chapter("A real NATS server, and the worker as it was generated")
        server = parts.enter_context(NatsServer(folder / "nats"))
        screen.say(f"   nats-server {server.monitor('/varz')['version']} with JetStream on {server.url}")
        consul = _consul(screen, folder / "consul", parts)
        settings = {"NATS_URL": server.url, **_consul_settings(consul)}
        service = GeneratedService(service_folder, python=python, log_folder=folder / "logs", settings=settings)
        parts.enter_context(_started(screen, service))
        if consul is not None:
            _show_passing(screen, consul)

        sent = _publish(screen, server)
        _show_handled(screen, server, service, sent)
        _show_dead_letter(screen, server)
        _show_counts(screen, server, service)
        _stop(screen, server, service, consul)
    return [server, service, *([consul] if consul else [])]


def _generate(screen: Screen, workspace: Path) -> Path:
    screen.chapter("One line makes a worker")
    workspace.mkdir()
    (workspace / MARKER).touch()  # the workspace is here, whatever lies above the temporary folder
    program = need_program("natsgen", hint="install natsgen into the environment that runs this demo")
    line = ["natsgen", "new", "worker", SERVICE, "--subject", SUBJECT]
    screen.command("mkdir shop && cd shop")
    screen.command(shlex.join(line))
    done = run([program, *line[1:]], limit=GENERATE_SECONDS, folder=workspace)
    screen.show(done.output.splitlines())
    folder = workspace / "services" / SERVICE
    count = sum(path.is_file() for path in folder.rglob("*"))
    complete = (folder / "src" / "main.py").is_file() and (workspace / "compose" / f"{SERVICE}.yml").is_file()
    screen.check(f"one line made services/{SERVICE}/ ({count} files) and compose/{SERVICE}.yml", complete, "not both")
    return folder


def _install(screen: Screen, service_folder: Path) -> Path:
    screen.chapter("Its requirements, pinned with hashes")
    screen.say(f"   services/{SERVICE}/requirements.txt is installed once, into {cache_folder()},")
    screen.say("   and taken from there the next time.")
    started = time.monotonic()
    python = environment_for(service_folder / "requirements.txt")
    screen.say(f"   ready after {time.monotonic() - started:.1f} s")
    return python


def _consul(screen: Screen, folder: Path, parts: ExitStack) -> ConsulAgent | None:
    if find_program("consul") is None:
        screen.say(
            "   Consul: there is no `consul` program here, so the worker is told to do without (CONSUL_ENABLED)."
        )
        screen.say("   It does not need Consul to consume, only to be found.")
        return None
    agent = parts.enter_context(ConsulAgent(folder))
    screen.say(f"   consul agent on 127.0.0.1:{agent.http_port}")
    return agent


def _consul_settings(agent: ConsulAgent | None) -> dict[str, str]:
    if agent is None:
        return {"CONSUL_ENABLED": "false"}
    return {"CONSUL_HOST": agent.api.host, "CONSUL_PORT": str(agent.http_port)}


@contextmanager
def _started(screen: Screen, service: GeneratedService) -> Iterator[None]:
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in service.settings.items())
    screen.command(f"cd services/{SERVICE} && {variables} HTTP_PORT=0 python -m src.main")
    started = time.monotonic()
    with service:
        service.wait_ready()
        seconds = time.monotonic() - started
        ready = service.get("/readyz")
        screen.show(service.process.lines()[-1:])
        screen.command(f"curl http://127.0.0.1:{service.port}/readyz")
        screen.show([ready.body])
        screen.check(f"the worker was ready {seconds:.1f} s after its start", ready.status == 200, ready)
        yield


def _show_passing(screen: Screen, agent: ConsulAgent) -> None:
    def statuses() -> list[str]:
        return [
            check["Status"]
            for instance in agent.api.service_instances(SERVICE)
            for check in instance["Checks"]
            if check["ServiceName"] == SERVICE
        ]

    _wait_for(lambda: statuses() == ["passing"], f"{SERVICE} to be passing in Consul")
    screen.say(f"   Consul has {SERVICE}: {', '.join(statuses()) or 'not registered'}")
    screen.check("Consul has the worker as passing", statuses() == ["passing"], statuses())


def _publish(screen: Screen, server: NatsServer) -> list[str]:
    """Publishes the events and the poison; returns the events' ids."""
    screen.chapter(f"{MESSAGES - 1} events and one poisonous message")
    payloads = [_event(number) for number in range(1, MESSAGES + 1)]
    payloads[POISON_AT - 1] = POISON
    screen.say(f"   published on {SUBJECT}, such as:")
    screen.show([payloads[0].decode()])
    screen.say(f"   and, as number {POISON_AT}:")
    screen.show([POISON.decode()])
    streams = asyncio.run(_publish_all(server.url, payloads))
    confirmed = streams == [STREAM] * MESSAGES
    screen.check(f"the stream {STREAM}, which the worker made, confirmed {MESSAGES} messages", confirmed, streams)
    return [json.loads(payload)["id"] for payload in payloads if payload != POISON]


def _event(number: int) -> bytes:
    event = {
        "id": str(uuid.uuid4()),
        "type": SUBJECT,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "aggregateId": f"order-{number}",
        "data": {"total": f"{number * 10}.00", "currency": "EUR"},
    }
    return json.dumps(event).encode()


async def _publish_all(url: str, payloads: list[bytes]) -> list[str]:
    """Return the stream that confirmed each payload, in order."""
    import nats

    async with await nats.connect(url) as client:
        return [(await client.jetstream().publish(SUBJECT, payload)).stream for payload in payloads]


def _show_handled(screen: Screen, server: NatsServer, service: GeneratedService, sent: list[str]) -> None:
    def settled() -> bool:
        consumer, stats = _consumer(server), service.stats()["subscriptions"][HANDLER]
        done = stats["handled"] + sum(stats["dead_letters"].values())
        return bool(done >= MESSAGES and consumer["num_pending"] == consumer["num_ack_pending"] == 0)

    _wait_for(settled, "all messages to be settled")
    screen.say("   The worker's log, a few lines as they are:")
    records = list(zip(service.process.lines(), service.log_records(), strict=False))
    handled = [(line, record) for line, record in records if record["message"] == "event handled"]
    letters = [line for line, record in records if record["message"] == "dead letter"]
    screen.show([*(line for line, _ in handled[:2]), *letters])
    ids = [str(record.get("event_id")) for _, record in handled]
    once = sorted(ids) == sorted(sent)
    claim = f"each of the {len(sent)} events was handled once, and the poison stopped none of them"
    screen.check(claim, once, f"{len(ids)} handled, {len(set(ids))} of them different")


def _show_dead_letter(screen: Screen, server: NatsServer) -> None:
    screen.chapter("The poisonous message is kept, with why")
    subject = f"dlq.{SERVICE}.{HANDLER}"
    payload, headers = asyncio.run(_last_message(server.url, "DLQ", subject))
    screen.say(f"   read back from the stream DLQ, subject {subject}:")
    screen.show([payload.decode(errors="replace")])
    screen.show(f"Dlq-{name}: {headers.get(f'Dlq-{name}', '(missing)')}" for name in LETTER_HEADERS)
    reason = headers.get("Dlq-Reason")
    kept = payload == POISON and reason == "invalid" and _messages(server, "DLQ") == 1
    found = f"{_messages(server, 'DLQ')} messages, the last {payload!r} with reason {reason!r}"
    screen.check("the poison is in the stream DLQ, byte for byte, with the reason `invalid`", kept, found)


async def _last_message(url: str, stream: str, subject: str) -> tuple[bytes, dict[str, str]]:
    """Return the payload and headers of the newest message; empty if there is none."""
    import nats
    from nats.js.errors import NotFoundError

    async with await nats.connect(url) as client:
        try:
            message = await client.jetstream().get_last_msg(stream, subject)
        except NotFoundError:
            return b"", {}
        return message.data or b"", dict(message.headers or {})


def _show_counts(screen: Screen, server: NatsServer, service: GeneratedService) -> None:
    screen.chapter("The counts")
    stats, metrics = service.stats()["subscriptions"][HANDLER], service.metrics()
    names = ("received", "handled", "retried", "dead_letters", "buffered", "in_flight")
    screen.command(f"curl http://127.0.0.1:{service.port}/stats")
    screen.show([json.dumps({name: stats[name] for name in names})])
    label = f'{{handler="{HANDLER}"}}'
    samples = {
        f"worker_messages_received_total{label}": stats["received"],
        f"worker_messages_handled_total{label}": stats["handled"],
        f"worker_messages_retried_total{label}": stats["retried"],
        f'worker_dead_letters_total{{handler="{HANDLER}",reason="invalid"}}': stats["dead_letters"].get("invalid"),
    }
    screen.command(f"curl http://127.0.0.1:{service.port}/metrics")
    screen.show(f"{name} {metrics.get(name)}" for name in samples)
    consumer = _consumer(server)
    left = (consumer["num_pending"], consumer["num_ack_pending"])
    screen.say(f"   and the server, of the consumer {DURABLE}: {left[0]} pending, {left[1]} not acknowledged")

    counts = {name: stats[name] for name in ("received", "handled", "retried", "dead_letters")}
    right = counts == {"received": MESSAGES, "handled": MESSAGES - 1, "retried": 0, "dead_letters": {"invalid": 1}}
    screen.check(f"/stats counts {MESSAGES} received, {MESSAGES - 1} handled, 1 dead letter", right, counts)
    other = {name: metrics.get(name) for name in samples if metrics.get(name) != samples[name]}
    screen.check("/metrics agrees with /stats", not other, other)
    screen.check("the server has nothing pending and nothing unacknowledged", left == (0, 0), left)


def _stop(screen: Screen, server: NatsServer, service: GeneratedService, consul: ConsulAgent | None) -> None:
    screen.chapter("SIGTERM")
    screen.command(f"kill -TERM {service.process.pid}")
    before = len(service.process.lines())
    stopped = service.stop(GRACE_SECONDS)
    screen.show(service.process.lines()[before:])
    screen.say(f"   exit code {stopped.exit_code} after {stopped.seconds:.2f} s")
    clean = stopped.exit_code == 0 and not stopped.forced
    screen.check(f"on SIGTERM the worker ended by itself with exit code 0, in {stopped.seconds:.2f} s", clean, stopped)
    if consul is not None:
        left = consul.api.service_instances(SERVICE)
        screen.check("it took itself out of Consul", not left, left)
    unsettled = _consumer(server)["num_ack_pending"]
    screen.check("it left nothing to time out on the server", unsettled == 0, f"{unsettled} not acknowledged")


def _say_what_next(screen: Screen) -> None:
    natsgen = shlex.quote(_as_typed(need_program("natsgen", hint="install natsgen")))
    screen.say("\nNext:")
    screen.command(f"{natsgen} new worker {SERVICE} --subject {SUBJECT} --workspace ~/shop   # one to keep")
    screen.command(f"{natsgen} dev --workspace ~/shop   # runs it, with reload and a page")
    screen.command(f"{natsgen} new worker --help")
    screen.command("make test")


def _as_typed(program: Path) -> str:
    here = Path.cwd()
    return str(program.relative_to(here)) if program.is_relative_to(here) else str(program)


def _stream(server: NatsServer, name: str) -> dict[str, Any]:
    accounts = server.jsz()["account_details"]
    streams = [stream for account in accounts for stream in account.get("stream_detail", [])]
    return next((stream for stream in streams if stream["name"] == name), {})


def _consumer(server: NatsServer) -> dict[str, Any]:
    """Return the server's account of the worker's consumer."""
    for consumer in _stream(server, STREAM).get("consumer_detail", []):
        if consumer["name"] == DURABLE:
            return dict(consumer)
    raise HarnessError(f"the stream {STREAM} has no consumer {DURABLE}")


def _messages(server: NatsServer, stream: str) -> int:
    return int(_stream(server, stream).get("state", {}).get("messages", 0))


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    """Waits a while; what is not so then is found by the check that follows."""
    try:
        wait_until(condition, limit=SETTLE_SECONDS, what=what)
    except WaitTimeout as error:
        print(f"natsgen: {error}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
