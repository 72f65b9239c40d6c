"""The caller's side: calls, requests, messages to whoever listens, and listening."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from pydantic import BaseModel, Field

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.waiting import wait_until
from src.actions.action import Action, Context
from src.config import Settings
from src.infrastructure.errors import TooLarge
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.nats_internals import flush
from src.infrastructure.publishing import publish
from src.infrastructure.subscription import Message, Subscription
from src.requests import listeners
from src.requests.errors import ActionError, CallTimeout, InvalidReply, NoResponders, RemoteError
from src.requests.nats import Nats
from src.requests.nats import nats as service_nats
from src.utils.logging import _add_incoming

SUBJECT = "v1.billing.greet"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ARRIVED = {"Correlation-Id": "c1", "traceparent": TRACE}


class GreetRequest(BaseModel):
    name: str


class GreetResponse(BaseModel):
    said: str = Field(alias="message")


async def greet(request: GreetRequest) -> GreetResponse:
    return GreetResponse(message=f"Hello {request.name}!")


async def tell_headers(context: Context) -> dict[str, str]:
    return context.headers


@pytest.fixture
async def calls(client: NatsClient) -> AsyncIterator[Nats]:
    """The caller's side over a connection of its own: no worker's."""
    calls = Nats(client)
    yield calls
    await calls.stop_listening(client, 1)


@pytest.fixture
async def plain(nats_server: NatsServer) -> AsyncIterator[Client]:
    """Somebody else who has nats-py and nothing else."""
    client = await nats.connect(nats_server.url)
    yield client
    await client.close()


async def eventually(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, limit=30, what=what)


async def answer_with(plain: Client, *answers: bytes | None, **headers: str) -> list[Msg]:
    """Has requests on SUBJECT answered, the first with the first; None is no answer. Returns what comes in."""
    requests: list[Msg] = []

    async def respond(request: Msg) -> None:
        requests.append(request)
        answer = answers[min(len(requests), len(answers)) - 1]
        if answer is not None:
            await plain.publish(request.reply, answer, headers=headers or None)

    await plain.subscribe(SUBJECT, cb=respond)
    await flush(plain)
    return requests


async def test_a_call_returns_the_result_in_the_form_asked_for(run_worker: Any, calls: Nats) -> None:
    async with run_worker(Action("greet", greet)):
        as_json = await calls.call(SUBJECT, {"name": "Ada"})
        as_model = await calls.call(SUBJECT, GreetRequest(name="Ada"), response=GreetResponse)
        as_bytes = await calls.call(SUBJECT, b'{"name": "Ada"}', response=bytes)

    assert as_json == {"message": "Hello Ada!"}
    assert as_model == GreetResponse(message="Hello Ada!")
    assert as_bytes == b'{"result":{"message":"Hello Ada!"}}'


async def test_the_service_itself_calls_over_the_connection_of_its_worker(run_worker: Any) -> None:
    with pytest.raises(RuntimeError, match="no worker runs"):
        await service_nats.call(SUBJECT)
    async with run_worker(Action("greet", greet)):
        assert await service_nats.call(SUBJECT, {"name": "Ada"}) == {"message": "Hello Ada!"}


@pytest.mark.parametrize("response", [None, GreetResponse, bytes])
async def test_an_error_of_the_action_is_raised_with_its_code_message_and_details(
    run_worker: Any, calls: Nats, response: Any
) -> None:
    async def refuse() -> None:
        raise ActionError("gone", "no such customer", {"id": 7})

    async with run_worker(Action("greet", refuse)):
        with pytest.raises(RemoteError) as caught:
            await calls.call(SUBJECT, response=response)

    error = caught.value
    assert (error.code, error.message, error.details) == ("gone", "no such customer", {"id": 7})


async def test_an_error_of_any_micro_service_is_known_by_its_headers(calls: Nats, plain: Client) -> None:
    await answer_with(plain, b"", **{"Nats-Service-Error-Code": "400", "Nats-Service-Error": "not so"})

    with pytest.raises(RemoteError, match="400 not so"):
        await calls.call(SUBJECT)


async def test_an_error_without_headers_is_known_by_its_json(calls: Nats, plain: Client) -> None:
    await answer_with(plain, b'{"error": {"code": 409, "message": "not so"}}')

    with pytest.raises(RemoteError, match="409 not so"):
        await calls.call(SUBJECT)


@pytest.mark.parametrize("answer", [b"", b"text", b"[]", b"{}", b'{"result": {"message": 1}}', b'{"error": "x"}'])
async def test_an_answer_that_is_no_such_result_is_not_taken_for_one(calls: Nats, plain: Client, answer: bytes) -> None:
    await answer_with(plain, answer)

    with pytest.raises(InvalidReply):
        await calls.call(SUBJECT, response=GreetResponse)


async def test_nobody_listens(calls: Nats) -> None:
    with pytest.raises(NoResponders, match="nobody listens"):
        await calls.call("v1.nobody.here", {}, timeout=5)


async def test_nobody_answers_in_time(calls: Nats, plain: Client) -> None:
    requests = await answer_with(plain, None)

    with pytest.raises(CallTimeout, match=r"no answer within 0\.1 s"):
        await calls.call(SUBJECT, {}, timeout=0.1)
    assert len(requests) == 1  # repeated only where asked for


async def test_a_call_is_repeated_as_often_as_asked_for(calls: Nats, plain: Client) -> None:
    busy = b'{"error": {"code": "503", "message": "too many requests wait"}}'
    requests = await answer_with(plain, None, busy, b'{"result": 3}')

    assert await calls.call(SUBJECT, {"a": 1}, timeout=1, retries=2) == 3
    assert [request.data for request in requests] == [b'{"a":1}'] * 3


async def test_an_error_that_another_attempt_would_bring_again_is_not_repeated(calls: Nats, plain: Client) -> None:
    requests = await answer_with(plain, b'{"error": {"code": "500", "message": "internal error"}}')

    with pytest.raises(RemoteError):
        await calls.call(SUBJECT, {}, retries=5)
    assert len(requests) == 1


async def test_a_call_that_nobody_heard_is_repeated_until_somebody_does(calls: Nats, plain: Client) -> None:
    calling = asyncio.create_task(calls.call(SUBJECT, {}, retries=9))
    await asyncio.sleep(0)
    await answer_with(plain, b'{"result": 1}')

    assert await calling == 1


async def test_a_call_without_a_connection_waits_for_one_as_long_as_it_may(
    calls: Nats, nats_server: NatsServer, client: NatsClient
) -> None:
    await asyncio.to_thread(nats_server.stop)
    await eventually(lambda: not client.connected, "the loss of the connection")
    with pytest.raises(CallTimeout, match="not connected"):
        await calls.call(SUBJECT, {}, timeout=0.1)

    calling = asyncio.create_task(calls.call("v1.nobody.here", {}, timeout=10))
    await asyncio.to_thread(nats_server.restart)
    with pytest.raises(NoResponders):
        await calling


async def test_what_is_too_large_is_said_and_the_connection_lives(calls: Nats, client: NatsClient) -> None:
    connections = client.connections
    with pytest.raises(TooLarge, match="max_payload"):
        await calls.call(SUBJECT, bytes(2_000_000))
    with pytest.raises(TooLarge):
        await calls.publish(SUBJECT, b"", {"Large": "x" * 1_100_000})

    with pytest.raises(NoResponders):
        await calls.call(SUBJECT)
    assert client.connections == connections


async def test_a_request_returns_the_reply_as_it_is(calls: Nats, plain: Client) -> None:
    requests = await answer_with(plain, b"anything", X="y")

    reply = await calls.request(SUBJECT, {"a": 1}, headers={"From": "me"})

    assert (reply.data, reply.headers) == (b"anything", {"X": "y"})
    assert (requests[0].data, requests[0].headers) == (b'{"a":1}', {"From": "me"})


async def test_what_is_published_with_a_flush_is_at_the_server(calls: Nats, plain: Client) -> None:
    heard = await plain.subscribe("greetings")
    await flush(plain)

    await calls.publish("greetings", {"to": "Ada"}, {"X": "y"}, flush=True)

    await flush(plain)
    message = await heard.next_msg(timeout=30)
    assert (json.loads(message.data), message.headers) == ({"to": "Ada"}, {"X": "y"})


async def test_a_listener_hears_each_message_in_order_until_it_is_ended(calls: Nats, plain: Client) -> None:
    heard: list[Any] = []

    async def hear(context: Context) -> None:
        heard.append((context.subject, context.payload, context.headers, context.message.data))

    subscription = await calls.subscribe("audit.*", hear)
    for number in range(50):
        await plain.publish("audit.login", b"%d" % number, headers={"X": "y"})
    await eventually(lambda: len(heard) == 50, "50 messages")
    await calls.unsubscribe(subscription)
    await plain.publish("audit.login", b"51")
    await flush(plain)
    with pytest.raises(NoResponders):  # and so it had come by now, if anybody listened
        await calls.request("audit.login")

    assert heard == [("audit.login", number, {"X": "y"}, b"%d" % number) for number in range(50)]


async def test_listeners_of_one_group_hear_each_message_once(calls: Nats, plain: Client) -> None:
    heard: list[int] = []

    async def hear(context: Context) -> None:
        heard.append(context.payload)

    for _ in range(3):
        await calls.subscribe("audit.login", hear, queue="auditors")
    for number in range(30):
        await plain.publish("audit.login", b"%d" % number)
    await flush(plain)
    await calls.publish("audit.login", b"30", flush=True)

    await eventually(lambda: len(heard) >= 31, "31 messages")
    assert sorted(heard) == list(range(31))


async def test_a_listener_that_fails_hears_the_next_message(calls: Nats, plain: Client) -> None:
    heard: list[int] = []

    async def hear(context: Context) -> None:
        heard.append(context.payload)
        if context.payload == 1:
            raise ValueError("not so")
        if context.payload == 2:
            raise asyncio.CancelledError
        if context.payload == 3:
            raise SystemExit

    await calls.subscribe("audit.login", hear)
    for number in (1, 2, 3, 4):
        await plain.publish("audit.login", b"%d" % number)

    await eventually(lambda: heard == [1, 2, 3, 4], "four messages")


@pytest.mark.parametrize(("limit", "value"), [("MAX_WAITING", 2), ("MAX_BYTES", 2)])
async def test_a_listener_that_is_too_slow_loses_what_comes_then(
    calls: Nats, plain: Client, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(listeners, limit, value)
    heard: list[int] = []
    release = asyncio.Event()

    async def hear(context: Context) -> None:
        heard.append(context.payload)
        await release.wait()

    await calls.subscribe("audit.login", hear)
    await plain.publish("audit.login", b"0")
    await eventually(lambda: heard, "the first message")
    for number in range(1, 9):
        await plain.publish("audit.login", b"%d" % number)
    await flush(plain)
    await calls.publish("somewhere", b"", flush=True)
    release.set()
    await eventually(lambda: len(heard) >= 3, "two more messages")
    await plain.publish("audit.login", b"9")

    await eventually(lambda: heard == [0, 1, 2, 9], "the message after those that were lost")


async def test_a_listener_may_end_itself(calls: Nats, plain: Client) -> None:
    heard: list[str] = []

    async def hear(context: Context) -> None:
        await calls.unsubscribe(subscription)
        await calls.publish("somewhere", b"", flush=True)  # and goes on with what it has begun
        heard.append(context.payload)

    subscription = await calls.subscribe("audit.login", hear)
    await plain.publish("audit.login", b"first")
    await plain.publish("audit.login", b"second")
    await flush(plain)

    await eventually(lambda: heard, "the first message")
    with pytest.raises(NoResponders):
        await calls.request("audit.login")
    assert heard == ["first"]


async def test_a_listener_outlives_the_client_that_it_was_made_on(
    calls: Nats, plain: Client, client: NatsClient
) -> None:
    heard: list[int] = []

    async def hear(context: Context) -> None:
        heard.append(context.payload)
        await context.message.respond(b"heard")

    await calls.subscribe("audit.login", hear)
    before = client.client
    await before.close()  # for good, as nats-py does where credentials are refused
    await eventually(lambda: client.connected and client.client is not before, "another client")

    async def hears() -> None:
        with contextlib.suppress(nats.errors.NoRespondersError):
            await plain.request("audit.login", b"1", timeout=5)

    async with asyncio.timeout(10):
        while not heard:
            await hears()
    assert heard == [1]


async def test_correlation_and_trace_travel_along_from_an_action(
    run_worker: Any, plain: Client, jetstream: JetStreamContext
) -> None:
    await jetstream.add_stream(name="AUDIT", subjects=["audit.>"])
    published = await plain.subscribe("told")
    logged: list[dict[str, Any]] = []

    async def follow() -> dict[str, Any]:
        await service_nats.publish("told", b"")
        await publish("audit.greeting", b"{}", message_id="m1")
        logged.append(dict(_add_incoming(None, "", {})))
        return dict(await service_nats.call("v1.billing.headers"))

    async with run_worker(Action("greet", follow), Action("headers", tell_headers)):
        reply = await plain.request(SUBJECT, b"", timeout=5, headers=ARRIVED)
        stored = await jetstream.get_last_msg("AUDIT", "audit.greeting")

    assert json.loads(reply.data)["result"] == ARRIVED
    assert (await published.next_msg()).headers == ARRIVED
    assert stored.headers == {"Nats-Msg-Id": "m1", **ARRIVED}
    assert logged == [{"subject": SUBJECT, "correlation_id": "c1", "traceparent": TRACE, "action": "greet"}]


async def test_a_correlation_that_did_not_come_is_made_once_for_all_that_follows(
    run_worker: Any, plain: Client
) -> None:
    async def follow(context: Context) -> list[Any]:
        ids = [(await service_nats.call("v1.billing.headers"))["Correlation-Id"] for _ in range(2)]
        return [context.correlation_id, *ids]

    async with run_worker(Action("greet", follow), Action("headers", tell_headers)):
        replies = [json.loads((await plain.request(SUBJECT, b"", timeout=5)).data)["result"] for _ in range(2)]

    assert [len(set(ids)) for ids in replies] == [1, 1]
    assert replies[0][0] != replies[1][0]


async def test_a_handler_calls_an_action_with_the_correlation_of_its_message(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    told: list[dict[str, str]] = []

    async def handle(event: dict[str, Any], message: Message) -> None:
        told.append(await service_nats.call("v1.billing.headers"))

    subscription = Subscription(handler="tested", subject="orders.order.created", function=handle)
    async with run_worker(subscription, Action("headers", tell_headers)) as worker:
        await jetstream.publish("orders.order.created", b"{}", headers={**ARRIVED, "Nats-Msg-Id": "e1"})
        await eventually(lambda: told, "the handler")
        assert worker.readiness().reason == "consuming"

    assert told == [{**ARRIVED, "Causation-Id": "e1"}]


async def test_a_listener_does_not_belong_to_the_message_in_whose_handler_it_was_made(
    run_worker: Any, plain: Client, jetstream: JetStreamContext
) -> None:
    bound: list[str] = []

    async def hear(context: Context) -> None:
        bound.append(str(_add_incoming(None, "", {})["correlation_id"]))

    handled = asyncio.Event()

    async def handle(event: dict[str, Any]) -> None:
        await service_nats.subscribe("audit.login", hear)
        handled.set()

    async with run_worker(Subscription(handler="tested", subject="orders.order.created", function=handle)):
        await jetstream.publish("orders.order.created", b"{}", headers={"Correlation-Id": "of the event"})
        await eventually(handled.is_set, "the handler")
        await plain.publish("audit.login", b"", headers={"Correlation-Id": "of the message"})
        await eventually(lambda: bound, "the message")

    assert bound == ["of the message"]


async def test_a_worker_that_stops_has_what_has_come_heard(run_worker: Any, plain: Client) -> None:
    heard: list[int] = []
    go_on = asyncio.Event()

    async def hear(context: Context) -> None:
        await go_on.wait()
        heard.append(context.payload)

    async with run_worker() as worker:
        listener = await service_nats.subscribe("audit.login", hear)
        for number in range(3):
            await plain.publish("audit.login", b"%d" % number)
        await eventually(lambda: listener.received == 3, "three messages")
        stopping = asyncio.create_task(worker.stop())
        await eventually(lambda: worker.stopping, "the end")
        go_on.set()
        await stopping

    assert heard == [0, 1, 2]


async def test_listening_again_and_again_leaves_nothing_behind_on_the_connection(
    calls: Nats, client: NatsClient
) -> None:
    async def hear(context: Context) -> None: ...

    for _ in range(3):
        await calls.unsubscribe(await calls.subscribe("audit.login", hear))

    assert len(client.finishing) == 1
    assert not client.listeners


async def test_a_second_signal_ends_the_wait_for_what_listens(run_worker: Any, plain: Client) -> None:
    hearing = asyncio.Event()

    async def hear(context: Context) -> None:
        hearing.set()
        await asyncio.Event().wait()

    async with run_worker() as worker:
        await service_nats.subscribe("audit.login", hear)
        await plain.publish("audit.login", b"1")
        await hearing.wait()
        hurry = asyncio.get_running_loop().create_future()
        hurry.set_result(None)
        async with asyncio.timeout(20):
            await worker.stop(hurry, limit=60)


async def test_what_listens_has_the_seconds_that_handlers_have_left(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    handling = asyncio.Event()
    limits: list[float] = []

    async def handle(event: Any) -> None:
        handling.set()
        await asyncio.Event().wait()

    async def finish(connection: NatsClient, limit: float, hurry: asyncio.Future[None] | None) -> None:
        limits.append(limit)

    async with run_worker(Subscription("tested", "orders.order.created", handle)) as worker:
        worker.nats.finishing.add(finish)
        await jetstream.publish("orders.order.created", b"1")
        await handling.wait()
        await worker.stop(limit=0.5)

    assert limits[0] == 0


async def test_what_listens_before_there_is_a_connection_hears_when_there_is_one(
    service_settings: Settings, plain: Client
) -> None:
    heard: list[Any] = []

    async def hear(context: Context) -> None:
        heard.append(context.payload)

    connection = NatsClient(service_settings)
    calls = Nats(connection)
    await calls.subscribe("audit.login", hear)
    await connection.connect()
    try:
        async with asyncio.timeout(10):
            while not heard:
                await plain.publish("audit.login", b"1")
                await asyncio.sleep(0.01)
    finally:
        await calls.stop_listening(connection, 1)
        await connection.close()
