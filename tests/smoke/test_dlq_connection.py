"""`natsgen dlq` where NATS cannot be reached or refuses: one message, soon, and no secret in it."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest

from natsgen.harness.nats_server import NatsServer
from tests.harness_tools.freezing import freeze, resume
from tests.smoke.letters import fill, put, run, run_json

pytestmark = pytest.mark.slow  # tests/unit has the options; this connects with each

SECRET = "s3cr3t-of-the-test"
SOON = 10.0  # seconds, on a busy machine; the limits in the code add up to less

ACCOUNTS = f"""
accounts {{
  A {{ jetstream: enabled, users: [
    {{ user: admin, password: "{SECRET}" }},
    {{ user: reader, password: "{SECRET}", permissions: {{
      subscribe: ["_INBOX_natsgen.>"],
      publish: ["$JS.API.STREAM.INFO.DLQ", "$JS.API.CONSUMER.CREATE.DLQ.>", "$JS.API.CONSUMER.MSG.NEXT.DLQ.*",
                "$JS.API.CONSUMER.DELETE.DLQ.*", "$JS.API.STREAM.MSG.GET.DLQ"] }} }},
    {{ user: worker, password: "{SECRET}", permissions: {{
      subscribe: ["_INBOX_billing.>"], publish: ["$JS.API.>"] }} }},
  ] }}
  B {{ users: [{{ user: other, password: "{SECRET}" }}] }}
}}
"""


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[NatsServer]:
    """A server that asks who one is."""
    with NatsServer(tmp_path / "guarded", configuration=ACCOUNTS) as server:
        yield server


def refused(*arguments: str, code: int = 1, cwd: Path | None = None, **variables: str) -> str:
    """What a command says that ends soon with an error; it must be one line without the secret."""
    began = time.monotonic()
    out, err = run(*arguments, code=code, cwd=cwd, **variables)
    assert time.monotonic() - began < SOON
    assert (out, err.count("\n")) == ("", 1), err
    assert SECRET not in err
    return err


def test_nobody_listens() -> None:
    with socket.socket() as taken:  # bound and not listening
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        said = refused("list", "--server", f"nats://me:{SECRET}@127.0.0.1:{port}")
    assert f"NATS at 127.0.0.1:{port} cannot be reached: Connection refused; check that it is running" in said


def test_a_server_that_says_nothing() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        said = refused("list", NATS_URL=f"nats://127.0.0.1:{silent.getsockname()[1]}", NATS_TOKEN=SECRET)
    assert "check that it is running, and check --server or NATS_URL" in said


def test_a_server_that_stops_answering(nats_server: NatsServer) -> None:
    freeze(nats_server)
    try:
        refused("list", "--server", nats_server.url)
    finally:
        resume(nats_server)


@pytest.mark.parametrize(
    "variables", [{}, {"NATS_USER": "admin", "NATS_PASSWORD": f"{SECRET}x"}, {"NATS_TOKEN": SECRET}]
)
def test_wrong_credentials(guarded: NatsServer, variables: dict[str, str]) -> None:
    said = refused("list", "--server", guarded.url, **variables)
    assert "Authorization Violation" in said
    assert "NATS_CREDS_FILE" in said


def test_an_account_without_jetstream(guarded: NatsServer) -> None:
    said = refused("list", "--server", guarded.url, NATS_USER="other", NATS_PASSWORD=SECRET)
    assert "JetStream" in said


async def test_what_is_not_permitted_is_named_and_nothing_is_replayed(guarded: NatsServer) -> None:
    client = await nats.connect(guarded.url, user="admin", password=SECRET)
    await fill(client.jetstream(), 3)
    reader = {"NATS_USER": "reader", "NATS_PASSWORD": SECRET, "NATS_URL": guarded.url}

    assert run_json("list", **reader)["total"] == 3
    assert '"evt_2"' in run("show", "2", **reader)[0]
    for command in (("replay", "--all"), ("purge", "--all", "--yes")):
        said = refused(*command, **reader)
        assert "denied permission: permissions violation for publish to" in said
        assert "the guide to dead letters lists" in said
    assert run_json("list", **reader)["total"] == 3
    await client.close()


async def test_the_permissions_in_the_guide_are_enough(tmp_path: Path) -> None:
    subscribe, publish = permissions_in_the_guide()
    configuration = f"""
    accounts {{ A {{ jetstream: enabled, users: [
      {{ user: admin, password: "{SECRET}" }},
      {{ user: me, password: "{SECRET}", permissions: {{
        subscribe: {json.dumps(subscribe)}, publish: {json.dumps([*publish, "orders.order.created"])} }} }}
    ] }} }}
    """
    me = {"NATS_USER": "me", "NATS_PASSWORD": SECRET}
    file = str(tmp_path / "letters.jsonl")
    with NatsServer(tmp_path / "limited", configuration=configuration) as server:
        client = await nats.connect(server.url, user="admin", password=SECRET)
        jetstream = client.jetstream()
        await fill(jetstream, 3)
        await jetstream.add_stream(name="ORDERS", subjects=["orders.>"])
        large = await jetstream.publish("orders.order.created", b"x" * 1_000_000)
        pointer = [("Dlq-Payload", "original"), ("Dlq-Stream", "ORDERS"), ("Dlq-Sequence", str(large.seq))]
        await put(jetstream, b"", [*pointer, ("Dlq-Failed-At", "2026-03-01T12:00:00Z")])
        await client.close()
        for command in (
            ("list",),
            ("show", "4"),
            ("export", "--output", file),
            ("replay", "1"),
            ("replay", "2", "--to-subject", "orders.order.created"),
            ("purge", "--all", "--yes"),
            ("import", file),
            ("replay", "--since", "2026-03-01T12:00:00Z", "--to-subject", "orders.order.created"),
        ):
            await asyncio.to_thread(run, *command, NATS_URL=server.url, **me)


def permissions_in_the_guide() -> tuple[list[str], list[str]]:
    """Subjects to subscribe to and to publish on, in the table of the guide."""
    text = (Path(__file__).parents[2] / "docs/guides/dead-letters.md").read_text()
    table = text.split("| for | subscribe | publish |")[1].split("\n\n")[0]
    rows = [row.split("|") for row in table.splitlines()[2:]]
    subscribe, publish = ([one for row in rows for one in re.findall(r"`([^`]+)`", row[column])] for column in (2, 3))
    assert len(subscribe) == 1
    assert len(publish) > 10
    return subscribe, publish


async def test_the_credentials_and_the_inbox_of_a_worker_count(guarded: NatsServer, tmp_path: Path) -> None:
    client = await nats.connect(guarded.url, user="admin", password=SECRET)
    await fill(client.jetstream(), 3)
    await client.close()
    service = tmp_path / "shop/services/billing"
    service.mkdir(parents=True)
    (service / "secret").write_text(f"{SECRET}\n")
    (service / ".env").write_text(
        f"SERVICE_NAME=billing\nNATS_URL={guarded.url}\nNATS_USER=worker\nNATS_PASSWORD_FILE=secret\n"
    )
    place = ("--workspace", str(tmp_path / "shop"))

    assert run_json("list", "--service", "billing", *place)["total"] == 3
    assert "Authorization Violation" in refused("list", *place, NATS_URL=guarded.url)
    # the environment goes before the file
    assert "Authorization" in refused("list", "--service", "billing", *place, NATS_PASSWORD="wrong")


async def test_a_stream_that_is_not_there_is_no_error(nats_server: NatsServer) -> None:
    _, said = run("list", "--server", nats_server.url)
    assert "no stream DLQ" in said
    assert run_json("replay", "--all", "--server", nats_server.url)["replayed"] == 0
    assert "no dead letter 3 in stream DLQ" in refused("show", "3", "--server", nats_server.url)
