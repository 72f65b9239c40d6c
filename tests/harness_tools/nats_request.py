"""One request to a NATS server and its answer, for calls that the monitoring endpoints do not offer."""

from __future__ import annotations

import json
import socket
import uuid
from typing import Any, BinaryIO

from natsgen.harness.errors import HarnessError
from natsgen.harness.ports import LOOPBACK

REQUEST_SECONDS = 5.0


def ask_jetstream(port: int, subject: str, body: str = "", *, limit: float = REQUEST_SECONDS) -> dict[str, Any]:
    """Call `$JS.API.<subject>` at the server on 127.0.0.1:`port`, and return the parsed answer.

    For servers without credentials and TLS. Each wait for bytes may take `limit` seconds.
    Raises `HarnessError` when JetStream refuses; `OSError` when the server cannot be reached or does not answer, such
    as while a stream has no leader.
    """
    with socket.create_connection((LOOPBACK, port), timeout=limit) as connection, connection.makefile("rb") as lines:
        inbox = f"_INBOX.{uuid.uuid4().hex}"
        connection.sendall(
            f"CONNECT {json.dumps({'verbose': False})}\r\nSUB {inbox} 1\r\n"
            f"PUB $JS.API.{subject} {inbox} {len(body.encode())}\r\n{body}\r\n".encode()
        )
        payload = _answer(lines, connection)
    answer: dict[str, Any] = json.loads(payload)
    if "error" in answer:
        raise HarnessError(f"$JS.API.{subject} was refused: {answer['error'].get('description', answer['error'])}")
    return answer


def _answer(lines: BinaryIO, connection: socket.socket) -> bytes:
    """The payload of the first message."""
    for line in lines:
        words = line.split()
        match words[0]:
            case b"PING":
                connection.sendall(b"PONG\r\n")
            case b"MSG":
                return lines.read(int(words[-1]))
            case b"-ERR":
                raise HarnessError(f"the server says {line.decode(errors='replace').strip()}")
    raise HarnessError("the server closed the connection without an answer")
