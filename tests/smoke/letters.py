"""Dead letters as a generated worker keeps them, and what the stream holds of them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg

import natsgen
from natsgen.cli import main
from natsgen.dlq.headers import Outgoing

IN_FLIGHT = 500  # publishes whose confirmation is awaited together
LIMIT = 60.0  # seconds that a command may take; all take a few


def environment(**variables: str) -> dict[str, str]:
    """Nothing of the person's settings reaches the command."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(Path(natsgen.__file__).parents[1]), "COLUMNS": "200", **variables}


def start(*arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.Popen[str]:
    """`natsgen dlq` as a process, without a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", "natsgen", "dlq", *arguments],
        env=environment(**variables),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str, code: int = 0, cwd: Path | None = None, **variables: str) -> tuple[str, str]:
    """Runs it to its end; standard output and standard error of a command that ends with `code`."""
    process = start(*arguments, cwd=cwd, **variables)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == code, f"ended with {process.returncode}: {out}{err}"
    assert "Traceback" not in err or "natsgen:" not in err, err
    return out, err


def run_here(*arguments: str, code: int = 0) -> str:
    """Runs it in this process, without a terminal; what it says on both streams."""
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        ended = main(["dlq", *arguments, "--no-input"])
    said.flush()
    text = cast("io.BytesIO", said.buffer).getvalue().decode()
    assert ended == code, text
    return text


def run_json(*arguments: str, code: int = 0, **variables: str) -> dict[str, Any]:
    """Runs it with `--json`."""
    return dict(json.loads(run(*arguments, "--json", code=code, **variables)[0]))


def headers(number: int, **changed: str) -> dict[str, str]:
    """What a worker writes on a letter; underscores stand for hyphens in the names of those that are changed."""
    return {
        "Nats-Msg-Id": f"dlq.billing.order_created.ORDERS.{number}",
        "tenant": "acme",
        "Correlation-Id": f"corr_{number // 2}",
        "Dlq-Reason": "exhausted",
        "Dlq-Attempts": "5",
        "Dlq-Service": "billing",
        "Dlq-Handler": "order_created",
        "Dlq-Subject": "orders.order.created",
        "Dlq-Stream": "ORDERS",
        "Dlq-Sequence": str(number),
        "Dlq-Msg-Id": f"evt_{number}",
        "Dlq-Failed-At": "2026-03-01T12:00:00.000+00:00",
        "Dlq-Error-Type": "ValueError",
        "Dlq-Error": "no such customer",
        "Dlq-Stack": "Traceback (most recent call last):\\n  File x\\nValueError: no such customer",
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }


def payload(number: int) -> bytes:
    return json.dumps({"id": f"evt_{number}"}).encode()


async def make_stream(jetstream: JetStreamContext) -> None:
    """The stream as a worker makes it."""
    await jetstream.add_stream(name="DLQ", subjects=["dlq.>", "replay.>"])


async def fill(jetstream: JetStreamContext, count: int, subject: str = "dlq.billing.order_created") -> None:
    """Makes the stream, and letters 1 to `count` in it."""
    await make_stream(jetstream)
    for first in range(1, count + 1, IN_FLIGHT):
        numbers = range(first, min(first + IN_FLIGHT, count + 1))
        await asyncio.gather(*(jetstream.publish(subject, payload(n), headers=headers(n)) for n in numbers))


async def put(
    jetstream: JetStreamContext, data: bytes, pairs: list[tuple[str, str]], subject: str = "dlq.billing.order_created"
) -> int:
    """Publishes one letter with exactly these headers; its ID."""
    return (await jetstream.publish(subject, data, headers=Outgoing(tuple(pairs)))).seq


async def counts(jetstream: JetStreamContext) -> dict[str, int]:
    """How many messages each subject of the stream holds."""
    return (await jetstream.stream_info("DLQ", subjects_filter=">")).state.subjects or {}


async def messages(jetstream: JetStreamContext, stream: str = "DLQ") -> list[RawStreamMsg]:
    """All messages of a stream."""
    state = (await jetstream.stream_info(stream)).state
    found = []
    for sequence in range(state.first_seq, state.last_seq + 1):
        with contextlib.suppress(nats.js.errors.NotFoundError):
            found.append(await jetstream.get_msg(stream, sequence))
    return found
