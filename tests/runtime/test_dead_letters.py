"""What a dead letter says, and by what a message is known again: no server is needed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from src.infrastructure.dead_letters import DeadLetters, Reason
from src.infrastructure.message import TERM, Message
from tests.runtime.conftest import NoServer


def message_of(nats: NoServer, headers: dict[str, str], sequence: int = 1) -> Message:
    reply = f"$JS.ACK.STREAM.durable.1.{sequence}.1.1705312800000000000.0"
    return Message(Msg(_client=Client(), subject="a.b", reply=reply, headers=headers), "handler", nats)  # type: ignore[arg-type]


async def test_it_keeps_the_headers_but_those_that_instruct_the_server(no_server: NoServer) -> None:
    nats: Any = no_server
    nats.client = SimpleNamespace(max_payload=1_000_000)
    forged = {"Dlq-Payload": "original", "dlq-Sequence": "7", "DLQ-STREAM": "OTHER", "Dlq-Object": "x"}
    given = {"Nats-Msg-Id": "1", "Nats-Expected-Stream": "ORDERS", "Mine": "kept", **forged}
    message = message_of(no_server, given)

    await DeadLetters(nats).give_up(message, Reason.REJECTED, None)

    ((_, _, headers),) = no_server.published
    assert headers["Mine"] == "kept"
    assert "Nats-Expected-Stream" not in headers
    assert not headers.keys() & (forged.keys() - {"Dlq-Stream"})
    assert (headers["Dlq-Stream"], headers["Dlq-Sequence"]) == ("STREAM", "1")
    assert no_server.answered == [TERM + b" rejected"]


def test_messages_are_told_apart_by_their_id_or_else_their_place(no_server: NoServer) -> None:
    one, other = ({"Nats-Msg-Id": name} for name in ("one", "other"))
    messages = [message_of(no_server, headers) for headers in (one, other, {})]

    keys = {message.dedup_key for message in (*messages, message_of(no_server, {}, sequence=2))}

    assert len(keys) == 4
    assert message_of(no_server, one, sequence=2).dedup_key == messages[0].dedup_key
