"""`natsgen publish`, `call`, `tail` and `replay-trace`: exchange messages with services."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from natsgen.cli import completion, dlq_options, options, output
from natsgen.cli.options import argument, switch, value
from natsgen.errors import InputError

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from natsgen.dev.catalog import Source
    from natsgen.dlq.command import Stop
    from natsgen.dlq.connection import Connection
    from natsgen.dlq.settings import Settings

TAIL_PAYLOAD = 200  # characters of a payload in a line of `tail`
_OF_NATS = ("$", "_INBOX")

DATA = value("JSON|@FILE|-", "Payload, a file, or standard input [default: an example]")


@dataclass(frozen=True)
class _Streaming(dlq_options.Reaching):
    """The options of a command that prints until it is stopped."""

    as_json: bool = switch("--json", "Print each message as a JSON object.")


def publish(
    *,
    service: options.Service,
    handler: str = argument("HANDLER", "Name of the handler, task or subscriber.", autocompletion=completion.handlers),
    data: str | None = DATA,
    subject: str | None = value("SUBJECT", "Subject to publish to; required if the handler's subject has wildcards."),
    count: int = value("N", "Number of events, each with its own ID.", default=1, min=1),
    rate: float | None = value("N", "Events per second [default: no limit]", min=0.001),
    dry_run: bool = switch("--dry-run", "Show what would be published."),
    how: dlq_options.Reaching,
) -> None:
    """Publish an event to a handler, checked against its model.

    The service's own code checks the event, in the service's environment. Without --data, natsgen creates an example
    from the model. It adds an envelope to data without one.

    \b
    Examples:
      natsgen publish billing order_created
      natsgen publish billing order_created --data '{"total": 12}'
      natsgen publish billing order_created --count 1000 --rate 100
    """
    from natsgen.dev import samples, sending
    from natsgen.dlq import command

    source, settings = _service(how, service)
    part = source.catalog().part(handler, "handler", "task", "subscriber")
    where = sending.subject_of(part, subject)
    given = samples.sample(part) if data is None else samples.complete(part, samples.parsed(_text(data)))
    source.check(part, samples.text(given))
    if dry_run:
        output.result(samples.text(given))
        return
    sent: list[dict[str, Any]] = []

    async def work(connection: Connection, stop: Stop) -> None:
        start = asyncio.get_running_loop().time()
        for number in range(count):
            if rate:
                await stop.wait(start + number / rate - asyncio.get_running_loop().time())
            payload = json.dumps(given if count == 1 else samples.renewed(given)).encode()
            stored = await sending.publish(connection, part, payload, where)
            sent.append({"stream": stored.stream, "sequence": stored.sequence} if stored else {})

    command.run(settings, work, progress_text=lambda: f"{len(sent)} of {count} were published")
    place = f", as {sent[-1]['stream']}:{sent[-1]['sequence']}" if sent[-1] else "; no stream stores it"
    document = {"subject": where, "published": len(sent), "first": sent[0], "last": sent[-1]}
    how.end(document, [f"published {len(sent)} on {where}{place}"])


def call(
    *,
    service: options.Service,
    action: str = argument("ACTION", "Name of the action.", autocompletion=completion.actions),
    data: str | None = DATA,
    how: dlq_options.Reaching,
) -> None:
    """Call an action and print its reply.

    The service's own code checks the request, in the service's environment. Without --data, natsgen creates an example
    from the model. The exit code is 1 if the reply is an error.

    \b
    Examples:
      natsgen call greeter greet --data '{"name": "Ada"}'
    """
    from natsgen.dev import samples, sending
    from natsgen.dlq import command

    source, settings = _service(how, service)
    part = source.catalog().part(action, "action")
    given = samples.sample(part) if data is None else samples.parsed(_text(data))
    source.check(part, samples.text(given))
    payload = b"" if given is None else json.dumps(given).encode()
    reply = command.run(settings, lambda connection, _: sending.call(connection, part, payload))
    try:
        answer: Any = json.loads(reply.payload)
    except ValueError:
        answer = reply.payload.decode(errors="replace")
    if reply.error:
        output.error(f"{part.subject} returned the error {reply.error}")
    document = {"subject": part.subject, "request": given, "reply": answer, "error": reply.error}
    how.end(document, [samples.text(answer)], failed=bool(reply.error))


def tail(
    *,
    subject: str | None = value("SUBJECT", "Only this subject, which may have wildcards [default: all]"),
    service: dlq_options.Connecting = None,
    count: int | None = value("N", "Exit after this many messages.", min=1),
    how: _Streaming,
) -> None:
    """Show messages as they are published, until Ctrl-C.

    \b
    Examples:
      natsgen tail
      natsgen tail --subject 'orders.>' --json
    """
    from natsgen.dlq import command

    async def work(connection: Connection, _: Stop) -> None:
        seen = 0
        subscription = await connection.client.subscribe(subject or ">")
        output.note(f"waiting for messages at {connection.server}")
        async for message in subscription.messages:
            if subject or not message.subject.startswith(_OF_NATS):
                output.result(_as_json(message) if how.as_json else _line(message))
                seen += 1
                if seen == count:
                    return

    command.run(how.settings(service), work)


def replay_trace(
    *,
    correlation: str = argument("ID", "Correlation ID of the trace."),
    service: dlq_options.Connecting = None,
    how: dlq_options.Reaching,
) -> None:
    """Republish the messages that started a trace, as a new trace.

    natsgen finds them in the streams and publishes the same bytes with new IDs. Everything that they caused happens
    again.

    \b
    Examples:
      natsgen replay-trace 018f2c6e-7c1e-7b6a-9a51-3c1df1b0a001
    """
    from natsgen.dev import traces
    from natsgen.dlq import command

    fresh, sent = command.run(how.settings(service), lambda connection, _: traces.replay(connection, correlation))
    places = [{"stream": one.stream, "sequence": one.sequence, "subject": one.subject} for one in sent]
    subjects = ", ".join(one.subject for one in sent)
    how.end({"correlation_id": fresh, "published": places}, [f"published {subjects} with the correlation ID {fresh}"])


def _service(how: dlq_options.Reaching, name: str) -> tuple[Source, Settings]:
    """Return a service's code and connection settings.

    Raises:
        InputError: the service does not exist.
    """
    from natsgen.dev import environment
    from natsgen.dev.catalog import Source
    from natsgen.messages import did_you_mean

    folder = how.place.root / "services"
    there = environment.services_in(folder) if folder.is_dir() else set()
    if name not in there:
        raise InputError(f"unknown service {name!r} in {folder}{did_you_mean(name, there)}")
    settings = how.settings(name)
    return Source.of(folder / name, settings.servers[0]), settings


def _text(data: str) -> str:
    if data == "-":
        return typer.get_text_stream("stdin").read()
    return Path(data[1:]).read_text(encoding="utf-8") if data.startswith("@") else data


def _as_json(message: Msg) -> str:
    found: dict[str, Any] = {"subject": message.subject, "headers": message.headers or {}}
    try:
        found["payload"] = json.loads(message.data)
    except (ValueError, RecursionError):
        found["payload"] = message.data.decode(errors="replace")
    return json.dumps(found)


def _line(message: Msg) -> str:
    text = " ".join(message.data[: 4 * TAIL_PAYLOAD].decode(errors="replace").split())
    shown = text if len(text) <= TAIL_PAYLOAD else text[:TAIL_PAYLOAD] + "..."
    correlation = (message.headers or {}).get("Correlation-Id", "")
    return f"{message.subject}  {output.printable(correlation) or '-'}  {output.printable(shown)}"
