"""The demonstration, `python -m scripts.demo`: from one line to a worker that consumes, in a minute.

Nothing is mocked, and nothing is claimed that was not checked: each line of the summary was found so. `natsgen dev`
runs the server and the worker on free ports, in a temporary folder. All of it is gone afterwards, also after Ctrl-C.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nats

from natsgen.errors import DONE, FAILED, INTERRUPTED
from natsgen.files.workspace import MARKER
from natsgen.harness.commands import run
from natsgen.harness.environment import cache_folder
from natsgen.harness.errors import HarnessError, WaitTimeout
from natsgen.harness.http_client import request
from natsgen.harness.metrics_text import parse_metrics
from natsgen.harness.ports import LOOPBACK, is_free
from natsgen.harness.processes import ManagedProcess
from natsgen.harness.programs import need_program
from natsgen.harness.reaper import temporary_folder
from natsgen.harness.waiting import wait_until


@dataclass(frozen=True)
class Fact:
    """One line of the summary: what is claimed, whether it was found so, and what was found."""

    claim: str
    holds: bool
    found: object


@dataclass
class Screen:
    """Prints the story, and keeps what was found."""

    coloured: bool
    facts: list[Fact] = field(default_factory=list)
    chapters: int = 0

    def chapter(self, title: str) -> None:
        """Begin the next chapter."""
        self.chapters += 1
        self.say("")
        self.say(self._in("1", f"{self.chapters}. {title}"))

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)

    def command(self, line: str) -> None:
        """Print a command as a person would type it."""
        self.say(self._in("36", f"   $ {line}"))

    def show(self, lines: Iterable[str]) -> None:
        """Print the output of a program, indented."""
        for line in lines:
            self.say(f"     {line}".rstrip())

    def check(self, claim: str, holds: bool, found: object) -> None:
        """Record a fact for the summary."""
        self.facts.append(Fact(claim, holds, found))

    def summary(self) -> bool:
        """Print what was checked, and return whether all of it holds."""
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
POISON = "this is no JSON, and no number of attempts will change that"

COMMAND_SECONDS = 60.0
READY_SECONDS = 900.0
"""The first run installs the worker's requirements."""
SETTLE_SECONDS = 20.0
"""For work of milliseconds, on the slowest machine."""
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Natsgen:
    """The program, as a person types it in the workspace.

    Attributes:
        program: its path.
        folder: the workspace.
        environment: the environment variables that it runs with.
    """

    program: Path
    folder: Path
    environment: Mapping[str, str]

    def run(self, line: str) -> list[str]:
        """Run a command to its end, and return the lines that it printed."""
        words = [str(self.program), *shlex.split(line)]
        return run(words, limit=COMMAND_SECONDS, folder=self.folder, environment=self.environment).output.splitlines()

    def start(self, line: str) -> ManagedProcess:
        """Start a command."""
        words = [str(self.program), *shlex.split(line)]
        log_folder = self.folder.parent
        return ManagedProcess(
            words, name="natsgen", log_folder=log_folder, folder=self.folder, environment=self.environment
        )


def main() -> int:
    """Run the demonstration, and return the exit code: 0 if all holds, 1 if not, 130 if interrupted."""
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
        workspace = folder / "shop"
        workspace.mkdir()
        (workspace / MARKER).touch()  # the workspace is here, whatever lies above the temporary folder
        program = need_program("natsgen", hint="install natsgen into the environment that runs this demo")
        own = {"XDG_STATE_HOME": str(folder / "state"), "LOG_LEVEL": "INFO"}
        natsgen = Natsgen(program, workspace, {**os.environ, **own})
        _generate(screen, natsgen)
        with natsgen.start("dev --json --no-ui") as dev:
            server, port = _start(screen, dev)
            sent = _publish(screen, server)
            _show_handled(screen, dev, server, port, sent)
            _show_dead_letter(screen, natsgen)
            _show_counts(screen, server, port)
            _stop(screen, dev)
    left = [one for one in (int(server.rpartition(":")[2]), port) if not is_free(one)] + [folder] * folder.exists()
    screen.check("everything that was started or written for this is gone again", not left, left)


def _generate(screen: Screen, natsgen: Natsgen) -> None:
    screen.chapter("One line makes a worker")
    line = f"new worker {SERVICE} --subject {SUBJECT}"
    screen.command("mkdir shop && cd shop")
    screen.command(f"natsgen {line}")
    screen.show(natsgen.run(line))
    folder = natsgen.folder / "services" / SERVICE
    count = sum(path.is_file() for path in folder.rglob("*"))
    complete = (folder / "src" / "main.py").is_file() and (natsgen.folder / "compose" / f"{SERVICE}.yml").is_file()
    screen.check(f"one line made services/{SERVICE}/ ({count} files) and compose/{SERVICE}.yml", complete, "not both")


def _start(screen: Screen, dev: ManagedProcess) -> tuple[str, int]:
    """Return the address of the NATS server and the port of the worker, once it is ready."""
    screen.chapter("A real NATS server, and the worker as it was generated")
    screen.say(f"   The worker's requirements, pinned with hashes, are installed once, into {cache_folder()}.")
    screen.command("natsgen dev --json")
    dev.wait_for_line(rf'"message": "{SERVICE} (is ready|did not start|has no environment)', limit=READY_SECONDS)
    said = [(line, record) for line, record in _records(dev) if record["service"] == "natsgen"]
    screen.show(line for line, _ in said)
    addresses = [record["url"] for _, record in said if "url" in record]
    if not said[-1][1]["message"].startswith(f"{SERVICE} is ready"):
        raise HarnessError(f"the worker did not start:\n{dev.tail()}")
    port = int(addresses[-1].rpartition(":")[2])
    screen.command(f"curl {addresses[-1]}/readyz")
    ready = request(LOOPBACK, port, "/readyz")
    screen.show([ready.body])
    screen.check("the worker is ready", ready.status == 200, ready)
    return next(one for one in addresses if one.startswith("nats:")), port


def _publish(screen: Screen, server: str) -> list[str]:
    """Publish the events and the poison, and return the events' ids."""
    screen.chapter(f"{MESSAGES - 1} events and one poisonous message")
    payloads = [_event(number) for number in range(1, MESSAGES + 1)]
    payloads[POISON_AT - 1] = POISON
    screen.say(f"   published on {SUBJECT}, such as:")
    screen.show([payloads[0]])
    screen.say(f"   and, as number {POISON_AT}:")
    screen.show([POISON])
    streams = asyncio.run(_publish_all(server, payloads))
    confirmed = streams == [STREAM] * MESSAGES
    screen.check(f"the stream {STREAM}, which the worker made, confirmed {MESSAGES} messages", confirmed, streams)
    return [json.loads(payload)["id"] for payload in payloads if payload != POISON]


def _event(number: int) -> str:
    event = {
        "id": str(uuid.uuid4()),
        "type": SUBJECT,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "aggregateId": f"order-{number}",
        "data": {"total": f"{number * 10}.00", "currency": "EUR"},
    }
    return json.dumps(event)


async def _publish_all(server: str, payloads: list[str]) -> list[str]:
    """Return the stream that confirmed each payload, in order."""
    async with await nats.connect(server) as client:
        return [(await client.jetstream().publish(SUBJECT, payload.encode())).stream for payload in payloads]


def _show_handled(screen: Screen, dev: ManagedProcess, server: str, port: int, sent: list[str]) -> None:
    def settled() -> bool:
        stats = _stats(port)
        done = stats["handled"] + sum(stats["dead_letters"].values())
        return bool(done >= MESSAGES and asyncio.run(_left(server)) == (0, 0))

    def logged() -> bool:  # natsgen dev passes a line on a moment after the worker wrote it
        return sum(record["message"] in ("event handled", "dead letter") for _, record in _records(dev)) >= MESSAGES

    _wait_for(settled, "all messages to be settled")
    _wait_for(logged, "the log lines of all messages")
    screen.say("   The worker's log, a few lines as they are:")
    records = _records(dev)
    handled = [(line, record) for line, record in records if record["message"] == "event handled"]
    letters = [line for line, record in records if record["message"] == "dead letter"]
    screen.show([*(line for line, _ in handled[:2]), *letters])
    ids = [str(record.get("event_id")) for _, record in handled]
    once = sorted(ids) == sorted(sent)
    claim = f"each of the {len(sent)} events was handled once, and the poison stopped none of them"
    screen.check(claim, once, f"{len(ids)} handled, {len(set(ids))} of them different")


def _show_dead_letter(screen: Screen, natsgen: Natsgen) -> None:
    screen.chapter("The poisonous message is kept, with why")
    for line in ("dlq list", "dlq show 1"):
        screen.command(f"natsgen {line}")
        lines = natsgen.run(line)
        screen.show(lines)
    size = f"  payload         {len(POISON)} bytes"
    kept = {size, "  Dlq-Reason: invalid"} <= set(lines) and lines[-1] == f"  {POISON}"
    screen.check("the poison is in the stream DLQ, byte for byte, with the reason `invalid`", kept, lines)


def _show_counts(screen: Screen, server: str, port: int) -> None:
    screen.chapter("The counts")
    stats, metrics = _stats(port), parse_metrics(request(LOOPBACK, port, "/metrics").body)
    names = ("received", "handled", "retried", "dead_letters", "buffered", "in_flight")
    screen.command(f"curl http://{LOOPBACK}:{port}/stats")
    screen.show([json.dumps({name: stats[name] for name in names})])
    label = f'{{handler="{HANDLER}"}}'
    samples = {
        f"worker_messages_received_total{label}": stats["received"],
        f"worker_messages_handled_total{label}": stats["handled"],
        f"worker_messages_retried_total{label}": stats["retried"],
        f'worker_dead_letters_total{{handler="{HANDLER}",reason="invalid"}}': stats["dead_letters"].get("invalid"),
    }
    screen.command(f"curl http://{LOOPBACK}:{port}/metrics")
    screen.show(f"{name} {metrics.get(name)}" for name in samples)
    left = asyncio.run(_left(server))
    screen.say(f"   and the server, of the consumer {DURABLE}: {left[0]} pending, {left[1]} not acknowledged")

    counts = {name: stats[name] for name in ("received", "handled", "retried", "dead_letters")}
    right = counts == {"received": MESSAGES, "handled": MESSAGES - 1, "retried": 0, "dead_letters": {"invalid": 1}}
    screen.check(f"/stats counts {MESSAGES} received, {MESSAGES - 1} handled, 1 dead letter", right, counts)
    other = {name: metrics.get(name) for name in samples if metrics.get(name) != samples[name]}
    screen.check("/metrics agrees with /stats", not other, other)
    screen.check("the server has nothing pending and nothing unacknowledged", left == (0, 0), left)


def _stop(screen: Screen, dev: ManagedProcess) -> None:
    screen.chapter("SIGTERM")
    screen.command(f"kill -TERM {dev.pid}")
    before = len(dev.lines())
    stopped = dev.stop(STOP_SECONDS)
    screen.show(dev.lines()[before:])
    screen.say(f"   natsgen dev: exit code {stopped.exit_code} after {stopped.seconds:.2f} s")
    clean = dev.output.find(f"{SERVICE} ended with exit code 0") is not None
    screen.check("on SIGTERM the worker ended by itself with exit code 0", clean, dev.lines()[before:])
    screen.check("and natsgen dev after it", stopped.exit_code == 0 and not stopped.forced, stopped)


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


def _records(dev: ManagedProcess) -> list[tuple[str, dict[str, Any]]]:
    return [(line, json.loads(line)) for line in dev.lines()]


def _stats(port: int) -> dict[str, Any]:
    return dict(request(LOOPBACK, port, "/stats").json()["subscriptions"][HANDLER])


async def _left(server: str) -> tuple[int, int]:
    """Return how many messages the server has for the worker, and how many it waits for the acknowledgement of."""
    async with await nats.connect(server) as client:
        consumer = await client.jetstream().consumer_info(STREAM, DURABLE)
    return consumer.num_pending or 0, consumer.num_ack_pending or 0


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait a while; what is not so then is found by the check that follows."""
    try:
        wait_until(condition, limit=SETTLE_SECONDS, what=what)
    except WaitTimeout as error:
        print(f"natsgen: {error}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
