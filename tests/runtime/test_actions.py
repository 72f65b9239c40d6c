"""Actions: what they answer, and how a client sees it that knows nothing of the runtime."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from prometheus_client import REGISTRY
from pydantic import BaseModel, ConfigDict

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.waiting import wait_until
from src.actions import action as actions
from src.actions import runner as action_runner
from src.actions.action import Action, ActionError, Context, action, action_subject
from src.actions.runner import ActionRunner
from src.actions.server import ActionServer
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.nats_internals import flush
from src.infrastructure.resources import shared
from src.infrastructure.worker import Worker
from src.requests.subscriptions import CoreSubscription

SUBJECT = "v1.billing.greet"
SECRET = "correct horse battery staple"

tenant: ContextVar[str | None] = ContextVar("tenant", default=None)


class GreetRequest(BaseModel):
    name: str


class GreetResponse(BaseModel):
    message: str


class StrictRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str


async def greet(request: GreetRequest, context: Context) -> GreetResponse:
    """Greets somebody by name."""
    return GreetResponse(message=f"Hello {request.name}!")


@pytest.fixture
async def plain(nats_server: NatsServer) -> AsyncIterator[Client]:
    """A caller outside of the service that has nats-py and nothing else."""
    client = await nats.connect(nats_server.url)
    yield client
    await client.close()


def actions_of(worker: Worker) -> list[ActionRunner]:
    """The actions of a worker, in their order."""
    (component,) = worker.components
    assert isinstance(component, ActionServer)
    return component.runners


async def ask(client: Client, payload: bytes = b'{"name": "Ada"}', subject: str = SUBJECT, **options: Any) -> Msg:
    return await client.request(subject, payload, timeout=5, **options)


def error_of(reply: Msg) -> dict[str, Any]:
    """The error in a reply, whose headers say the same."""
    error = json.loads(reply.data)["error"]
    assert reply.headers["Nats-Service-Error-Code"] == error["code"]
    assert reply.headers["Nats-Service-Error"] == error["message"]
    return dict(error)


async def eventually(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, limit=30, what=what)


async def test_a_request_is_answered(run_worker: Any, plain: Client) -> None:
    async with run_worker(Action("greet", greet)):
        reply = await ask(plain)

    assert json.loads(reply.data) == {"result": {"message": "Hello Ada!"}}
    assert not reply.headers


async def takes_nothing() -> str:
    return "pong"


async def takes_context(context: Context) -> list[str]:
    return [context.subject, context.headers["X"], context.correlation_id, context.message.reply.partition(".")[0]]


async def takes_dict(request: dict[str, Any]) -> dict[str, Any]:
    return {"given": request}


async def takes_text(request: str) -> None: ...
async def takes_bytes(request: bytes) -> bytes:
    return request[::-1]


async def takes_anything(request) -> int:  # type: ignore[no-untyped-def]
    return len(request["a"])


async def takes_anything_and_gives_anything(request, context):  # type: ignore[no-untyped-def]
    return {"request": request, "payload": context.payload}


@pytest.mark.parametrize(
    ("function", "payload", "answer"),
    [
        (takes_nothing, b"", b'{"result":"pong"}'),
        (takes_dict, b'{"a": 1}', b'{"result":{"given":{"a":1}}}'),
        (takes_text, "h\u00e9".encode(), b'{"result":null}'),
        (takes_bytes, b"\xff\x00", b"\x00\xff"),
        (takes_anything, b'{"a": [1, 2]}', b'{"result":2}'),
        (takes_anything_and_gives_anything, b"text", b'{"result":{"request":"text","payload":"text"}}'),
    ],
)
async def test_the_annotations_decide_what_is_taken_and_given(
    run_worker: Any, plain: Client, function: Any, payload: bytes, answer: bytes
) -> None:
    async with run_worker(Action("greet", function)):
        reply = await ask(plain, payload)

    assert reply.data == answer


async def test_an_action_gets_the_resources_that_it_asks_for(
    run_worker: Any, plain: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(request: str, resources: dict[str, str]) -> str:
        return resources[request]

    async with run_worker(Action("greet", answer)):
        monkeypatch.setattr(shared, "value", {"hello": "world"})
        reply = await ask(plain, b"hello")

    assert reply.data == b'{"result":"world"}'


async def test_the_context_knows_where_the_request_came_from(run_worker: Any, plain: Client) -> None:
    async with run_worker(Action("greet", takes_context)):
        reply = await ask(plain, headers={"X": "y", "Correlation-Id": "c1"})

    assert json.loads(reply.data) == {"result": [SUBJECT, "y", "c1", "_INBOX"]}


async def test_a_request_that_does_not_fit_is_told_where_and_not_what_it_held(run_worker: Any, plain: Client) -> None:
    async with run_worker(Action("greet", greet)):
        error = error_of(reply := await ask(plain, json.dumps({"name": {"password": SECRET}}).encode()))
        broken = error_of(await ask(plain, b"{"))

    assert error["code"] == "422"
    assert error["details"] == [{"type": "string_type", "loc": ["name"], "msg": "Input should be a valid string"}]
    assert SECRET.encode() not in reply.data
    assert broken["code"] == "422"


@pytest.mark.parametrize(
    ("model", "code"),
    [(GreetRequest, None), (StrictRequest, "422")],
)
async def test_fields_that_the_model_does_not_have_are_taken_or_refused_as_it_says(
    run_worker: Any, plain: Client, model: Any, code: str | None
) -> None:
    async def answer(request: Any) -> str:
        return str(request.name)

    answer.__annotations__["request"] = model
    async with run_worker(Action("greet", answer)):
        reply = await ask(plain, b'{"name": "Ada", "age": 36}')

    assert (reply.headers or {}).get("Nats-Service-Error-Code") == code


async def test_an_action_refuses_on_purpose_with_code_message_and_details(run_worker: Any, plain: Client) -> None:
    async def answer(request: bytes) -> None:
        raise ActionError(404, "no such\r\ncustomer", {"id": 7})

    async with run_worker(Action("greet", answer)):
        reply = await ask(plain)

    assert json.loads(reply.data) == {"error": {"code": "404", "message": "no such\r\ncustomer", "details": {"id": 7}}}
    assert reply.headers == {"Nats-Service-Error-Code": "404", "Nats-Service-Error": "no such\\ncustomer"}


async def raises(request: bytes) -> None:
    raise ValueError(SECRET)


async def refuses_with_what_json_cannot_hold(request: bytes) -> None:
    details: list[Any] = [SECRET]
    details.append(details)
    raise ActionError(404, "\ud800", details)


async def raises_a_validation_error(request: bytes) -> None:
    GreetRequest.model_validate({"name": [SECRET]})


async def raises_a_time_out_of_its_own(request: bytes) -> None:
    raise TimeoutError(SECRET)


async def awaits_what_is_cancelled(request: bytes) -> None:
    cancelled = asyncio.get_running_loop().create_future()
    cancelled.cancel(SECRET)
    await cancelled


async def ends_the_process(request: bytes) -> None:
    sys.exit(SECRET)


async def returns_something_else(request: bytes) -> GreetResponse:
    return {"message": SECRET}  # type: ignore[return-value]


async def returns_what_json_cannot_hold(request: bytes) -> Any:
    return object()


async def returns_too_much(request: bytes) -> str:
    return SECRET * 100_000


async def refuses_with_too_much(request: bytes) -> str:
    raise ActionError(500, "internal error", SECRET * 100_000)


@pytest.mark.parametrize(
    "function",
    [
        raises,
        refuses_with_what_json_cannot_hold,
        raises_a_validation_error,
        raises_a_time_out_of_its_own,
        awaits_what_is_cancelled,
        ends_the_process,
        returns_something_else,
        returns_what_json_cannot_hold,
        returns_too_much,
        refuses_with_too_much,
    ],
)
async def test_an_action_that_fails_tells_nothing_of_its_inside(run_worker: Any, plain: Client, function: Any) -> None:
    async with run_worker(Action("greet", function)) as worker:
        reply = await ask(plain)
        after = await ask(plain)

    error = error_of(reply)
    assert (error["code"], error["details"]) == ("500", None)
    assert error["message"] in ("internal error", "the answer is too large")
    assert after.data == reply.data  # and the connection lives
    assert actions_of(worker)[0].counts.errors == {"500": 2}


async def test_an_action_has_its_time_and_no_more(run_worker: Any, plain: Client) -> None:
    cancelled = asyncio.Event()

    async def answer(request: bytes) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    async def makes_its_own_error_of_it(request: bytes) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ConnectionError(SECRET) from None

    async with run_worker(
        Action("greet", answer, timeout=0.1), Action("other", makes_its_own_error_of_it, timeout=0.1)
    ):
        error = error_of(await ask(plain))
        other = error_of(await ask(plain, subject="v1.billing.other"))

    assert (error["code"], error["message"]) == ("504", "not done within 0.1 s")
    assert cancelled.is_set()
    assert other == error


async def test_each_request_has_its_own_time_and_one_that_goes_on_holds_up_no_other(
    run_worker: Any, plain: Client
) -> None:
    go_on = asyncio.Event()

    async def answer(request: str) -> str:
        if request == "quick":
            return request
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                if request == "slow":
                    raise
        return request

    async def timed(request: bytes) -> tuple[float, bytes]:
        began = time.monotonic()
        reply = await ask(plain, request)
        return time.monotonic() - began, reply.data

    async with run_worker(Action("greet", answer, timeout=1.5)):
        stubborn = asyncio.create_task(timed(b"stubborn"))
        slow = []
        for _ in range(3):
            slow.append(asyncio.create_task(timed(b"slow")))
            assert (await timed(b"quick"))[1] == b'{"result":"quick"}'
            await asyncio.sleep(0.05)
        answers = await asyncio.gather(*slow)
        assert not stubborn.done()
        go_on.set()
        assert (await stubborn)[1] == b'{"result":"stubborn"}'

    assert all(took >= 1.49 and b'"504"' in data for took, data in answers)


async def test_a_request_that_waited_too_long_is_not_begun(run_worker: Any, plain: Client) -> None:
    begun = 0

    async def answer(request: bytes) -> None:
        nonlocal begun
        begun += 1
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(1)  # cleans up, while the other's time ends
            raise

    async with run_worker(Action("greet", answer, timeout=0.1, concurrency=1)):
        errors = [error_of(reply) for reply in await asyncio.gather(ask(plain), ask(plain))]

    assert [error["code"] for error in errors] == ["504", "504"]
    assert begun == 1


async def test_what_a_request_leaves_in_its_context_the_next_one_does_not_find(run_worker: Any, plain: Client) -> None:
    """Requests that wait are answered in the task of the one before."""

    async def answer(request: str) -> str | None:
        found = tenant.get()
        if request == "sets":
            tenant.set("Ada")
        return found

    async with run_worker(Action("greet", answer, concurrency=1)):
        kinds = [b"sets", b"reads", b"reads", b"sets"] * 10
        replies = await asyncio.gather(*(ask(plain, kind) for kind in kinds))

    assert {reply.data for reply in replies} == {b'{"result":null}'}


async def test_quick_actions_let_others_have_their_turn(run_worker: Any, plain: Client) -> None:
    begun = ended = 0.0
    turns: list[float] = []

    async def answer(request: bytes) -> None:
        nonlocal begun, ended
        begun = begun or time.monotonic()
        time.sleep(0.001)  # noqa: ASYNC251 - what is tested
        ended = time.monotonic()

    async def take_turns() -> None:
        while True:
            turns.append(time.monotonic())
            await asyncio.sleep(0)

    async with run_worker(Action("greet", answer, concurrency=1)):
        taking = asyncio.create_task(take_turns())
        await asyncio.gather(*(ask(plain) for _ in range(200)))
        taking.cancel()

    assert sum(begun < turn < ended for turn in turns) > 10


async def test_so_many_are_answered_at_once_so_many_wait_and_more_are_refused_at_once(
    run_worker: Any, plain: Client
) -> None:
    release, most, running = asyncio.Event(), 0, 0

    async def answer(request: bytes) -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1

    async with run_worker(Action("greet", answer, concurrency=2, max_waiting=3)) as worker:
        runner = actions_of(worker)[0]
        asked = [asyncio.create_task(ask(plain)) for _ in range(8)]
        await eventually(lambda: sum(task.done() for task in asked) == 3, "three answers")
        refused = [error_of(task.result()) for task in asked if task.done()]
        assert (runner.running, runner.waiting) == (2, 3)
        release.set()
        replies = await asyncio.gather(*asked)

    assert [error["code"] for error in refused] == ["503"] * 3
    assert sum(reply.data == b'{"result":null}' for reply in replies) == 5
    assert most == 2
    assert (runner.running, runner.waiting) == (0, 0)


async def test_what_waits_is_bounded_in_bytes_too(
    run_worker: Any, plain: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action_runner, "MAX_BYTES", 2_500_000)
    release = asyncio.Event()

    async def answer(request: bytes) -> None:
        await release.wait()

    async with run_worker(Action("greet", answer, concurrency=1)) as worker:
        asked = [asyncio.create_task(ask(plain, bytes(1_000_000))) for _ in range(4)]
        await eventually(lambda: any(task.done() for task in asked), "a refusal")
        assert actions_of(worker)[0].waiting == 2
        release.set()
        replies = await asyncio.gather(*asked)
        after = await ask(plain, bytes(1_000_000))

    assert sorted(len(reply.headers or {}) for reply in replies) == [0, 0, 0, 2]
    assert after.data == b'{"result":null}'


async def test_5000_concurrent_requests_are_answered(run_worker: Any, plain: Client) -> None:
    async def answer(request: dict[str, int]) -> int:
        await asyncio.sleep(0.001)
        return request["number"]

    async with run_worker(Action("greet", answer, timeout=30)):
        asked = [plain.request(SUBJECT, b'{"number": %d}' % number, timeout=30) for number in range(5000)]
        replies = await asyncio.gather(*asked)

    assert [json.loads(reply.data)["result"] for reply in replies] == list(range(5000))


async def test_what_is_published_without_a_reply_subject_is_carried_out(run_worker: Any, plain: Client) -> None:
    done = asyncio.Event()

    async def answer(request: GreetRequest) -> None:
        done.set()

    async with run_worker(Action("greet", answer)):
        await plain.publish(SUBJECT, b'{"name": "Ada"}')
        await asyncio.wait_for(done.wait(), 30)


@pytest.mark.parametrize(("queue", "answers"), [(True, 1), (False, 2)])
async def test_one_instance_answers_or_all_do(run_worker: Any, plain: Client, queue: bool, answers: int) -> None:
    tested = Action("greet", greet, queue=queue)
    async with run_worker(tested) as first, run_worker(tested) as second:
        inbox = plain.new_inbox()
        replies = await plain.subscribe(inbox)
        await plain.publish(SUBJECT, b'{"name": "Ada"}', reply=inbox)
        for _ in range(answers):
            await replies.next_msg(timeout=30)
        await flush(plain)
        counts = [actions_of(worker)[0].counts.requests for worker in (first, second)]

    assert sum(counts) == answers
    assert replies.pending_msgs == 0


async def test_two_instances_share_the_load(run_worker: Any, plain: Client) -> None:
    async with run_worker(Action("greet", greet)) as first, run_worker(Action("greet", greet)) as second:
        await asyncio.gather(*(ask(plain) for _ in range(200)))
        counts = [actions_of(worker)[0].counts.requests for worker in (first, second)]

    assert sum(counts) == 200
    assert min(counts) > 50


async def test_a_plain_client_pings_lists_and_reads_the_statistics(run_worker: Any, plain: Client) -> None:
    async def told(verb: str) -> dict[str, Any]:
        return dict(json.loads((await plain.request(verb, timeout=5)).data))

    tested = Action("greet", greet, concurrency=7, timeout=1.5, metadata={"owner": "sales"})
    async with run_worker(tested):
        await ask(plain)
        await ask(plain, b"{")
        ping, info = await told("$SRV.PING"), await told("$SRV.INFO.billing")
        stats = await told(f"$SRV.STATS.billing.{ping['id']}")

    assert (ping["type"], ping["name"], ping["version"]) == ("io.nats.micro.v1.ping_response", "billing", "0.1.0")
    assert ping["metadata"]["context"]
    assert info["description"]
    endpoint = info["endpoints"][0]
    metadata = endpoint.pop("metadata")
    assert endpoint == {"name": "greet", "subject": SUBJECT, "queue_group": "q"}
    assert (metadata["concurrency"], metadata["timeout"], metadata["version"]) == ("7", "1.5", "1")
    assert (metadata["description"], metadata["owner"]) == ("Greets somebody by name.", "sales")
    assert json.loads(metadata["request_schema"]) == GreetRequest.model_json_schema()
    assert json.loads(metadata["response_schema"]) == GreetResponse.model_json_schema(mode="serialization")
    counts = stats["endpoints"][0]
    assert (counts["num_requests"], counts["num_errors"]) == (2, 1)
    assert counts["last_error"] == "422:the request is invalid"
    assert 0 < counts["average_processing_time"] < counts["processing_time"] < 5e9


async def test_prefix_version_and_subject_are_where_an_action_answers(run_worker: Any, plain: Client) -> None:
    tested = [Action("greet", greet), Action("greet", greet, version=2), Action("other", greet, subject="hello.*")]
    async with run_worker(*tested, ACTION_PREFIX="staging.eu"):
        for subject in ("staging.eu.v1.billing.greet", "staging.eu.v2.billing.greet", "hello.there"):
            assert json.loads((await ask(plain, subject=subject)).data)["result"]


def test_the_helper_says_the_subject() -> None:
    assert action_subject("greeter", "greet") == "v1.greeter.greet"
    assert action_subject("greeter", "greet", 2, prefix="staging") == "staging.v2.greeter.greet"


def metric(name: str, **labels: str) -> float:
    """The value of a metric of the action `greet`; other tests have counted in it as well."""
    return REGISTRY.get_sample_value(name, {"action": "greet", "version": "1", **labels}) or 0.0


async def test_stats_metrics_and_readiness_know_of_the_actions(run_worker: Any, plain: Client) -> None:
    counted = (
        ("worker_action_requests_total", {}, 2.0),
        ("worker_action_errors_total", {"code": "422"}, 1.0),
        ("worker_action_duration_seconds_count", {}, 2.0),
    )
    before = [metric(name, **labels) for name, labels, _ in counted]
    async with run_worker(Action("greet", greet)) as worker:
        await ask(plain)
        await ask(plain, b"{")
        readiness, stats = worker.readiness(), worker.stats()["actions"]
        after = [metric(name, **labels) for name, labels, _ in counted]
        assert metric("worker_action_in_flight") == 0.0

    assert (readiness.ready, readiness.reason) == (True, "working")
    assert [(one["action"], one["subject"], one["requests"], one["errors"]) for one in stats] == [
        ("greet", SUBJECT, 2, {"422": 1})
    ]
    assert [now - then for now, then in zip(after, before, strict=True)] == [more for _, _, more in counted]


async def test_actions_are_answered_on_a_client_that_replaced_another(run_worker: Any, plain: Client) -> None:
    async with run_worker(Action("greet", greet)) as worker:
        before: NatsClient = worker.nats.client
        await before.close()  # for good, as nats-py does where credentials are refused
        await eventually(lambda: worker.readiness().ready and worker.nats.client is not before, "another client")
        reply = await ask(plain)

    assert json.loads(reply.data)["result"]


async def test_an_action_is_answered_after_a_restart_of_the_server(
    run_worker: Any, plain: Client, nats_server: NatsServer
) -> None:
    async with run_worker(Action("greet", greet)) as worker:
        connections = worker.nats.connections
        await asyncio.to_thread(nats_server.restart)
        await eventually(lambda: worker.readiness().ready and worker.nats.connections > connections, "readiness")
        caller = await nats.connect(nats_server.url)
        try:
            replies = [await ask(caller) for _ in range(3)]
            counts = actions_of(worker)[0].counts.requests
        finally:
            await caller.close()

    assert [json.loads(reply.data)["result"]["message"] for reply in replies] == ["Hello Ada!"] * 3
    assert counts == 3  # none came twice


async def test_an_answer_finds_its_way_over_the_client_that_replaced_another(run_worker: Any, plain: Client) -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def answer(request: bytes) -> str:
        begun.set()
        await release.wait()
        return "done"

    async with run_worker(Action("greet", answer)) as worker:
        before = worker.nats.client
        asking = asyncio.create_task(plain.request(SUBJECT, b"", timeout=20))
        await begun.wait()
        await before.close()
        await eventually(lambda: worker.nats.connected and worker.nats.client is not before, "another client")
        release.set()

        assert (await asking).data == b'{"result":"done"}'


async def test_at_the_end_what_is_not_done_is_cut_short_and_what_has_not_begun_is_refused(
    run_worker: Any, plain: Client
) -> None:
    async def answer(request: bytes) -> None:
        await asyncio.sleep(60)

    released = asyncio.Event()

    async def does_not_let_itself_be_cancelled(request: bytes) -> None:
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await released.wait()

    stubborn = Action("stubborn", does_not_let_itself_be_cancelled, timeout=60)
    async with run_worker(
        Action("greet", answer, concurrency=1, timeout=60), stubborn, GRACEFUL_SHUTDOWN_TIMEOUT=0.2
    ) as worker:
        asked = [asyncio.create_task(ask(plain)) for _ in range(2)]
        asked.append(asyncio.create_task(ask(plain, subject="v1.billing.stubborn")))
        await eventually(lambda: worker.components[0].in_flight == 3, "requests")

    errors = [error_of(reply) for reply in await asyncio.gather(*asked)]
    released.set()
    assert sorted(error["code"] for error in errors) == ["503", "504", "504"]
    assert errors[2]["message"] == "the service stopped before it was done"


async def test_a_second_signal_ends_the_wait_for_actions(run_worker: Any, plain: Client) -> None:
    async def answer(request: bytes) -> None:
        await asyncio.sleep(60)

    async with run_worker(Action("greet", answer, timeout=60), GRACEFUL_SHUTDOWN_TIMEOUT=60.0) as worker:
        asked = asyncio.create_task(ask(plain))
        await eventually(lambda: actions_of(worker)[0].running, "a request")
        hurry = asyncio.get_running_loop().create_future()
        hurry.set_result(None)
        async with asyncio.timeout(10):
            await worker.stop(hurry)

    assert error_of(await asked)["code"] == "504"


async def test_no_request_fails_while_one_of_two_instances_stops(run_worker: Any, plain: Client) -> None:
    async def answer(request: bytes) -> None:
        await asyncio.sleep(0.001)

    replies: list[Msg] = []
    ended = asyncio.Event()

    async def keep_asking() -> None:
        while not ended.is_set():
            replies.append(await ask(plain))

    async with run_worker(Action("greet", answer)) as stays:
        async with run_worker(Action("greet", answer)) as goes:
            asking = [asyncio.create_task(keep_asking()) for _ in range(4)]
            await eventually(lambda: actions_of(goes)[0].counts.requests > 20, "requests at both")
        before = actions_of(stays)[0].counts.requests
        await eventually(lambda: actions_of(stays)[0].counts.requests > before + 20, "requests at the other")
        ended.set()
        await asyncio.gather(*asking)

    assert {reply.data for reply in replies} == {b'{"result":null}'}


async def test_a_request_that_comes_after_the_end_is_refused(
    run_worker: Any, plain: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server could not be told in time to send no more."""

    async def could_not(self: CoreSubscription) -> None: ...

    async def answer(request: bytes) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(CoreSubscription, "end", could_not)
    async with run_worker(Action("greet", answer, timeout=60), GRACEFUL_SHUTDOWN_TIMEOUT=1.0) as worker:
        first = asyncio.create_task(ask(plain))
        await eventually(lambda: actions_of(worker)[0].running, "a request")
        stopping = asyncio.create_task(actions_of(worker)[0].stop(1.0))
        await eventually(lambda: actions_of(worker)[0]._stopping, "the end")
        late = error_of(await ask(plain))
        await stopping

    assert (late["code"], late["message"]) == ("503", "the service is stopping")
    assert error_of(await first)["code"] == "504"


async def sync_free(request: GreetRequest, context: Context, more: int) -> None: ...
def is_no_coroutine(request: GreetRequest) -> None: ...


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Action("gr eet", greet), "the name is 'gr eet'"),
        (lambda: Action("greet", greet, subject="a..b"), "subject is 'a..b'"),
        (lambda: action("greet", concurrency=0)(greet), "concurrency is 0: Input should be greater than or equal"),
        (lambda: action("greet", timeout=0)(greet), "timeout is 0: Input should be greater than 0"),
        (lambda: Action("greet", sync_free), "takes request, context, more; use the parameters (request)"),
        (lambda: Action("greet", is_no_coroutine), "write it as `async def`"),
        (lambda: action("greet", speed=3)(greet), "unknown option speed; use one of version, subject"),
    ],
)
def test_what_does_not_fit_is_refused_with_where_and_what(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()

    assert said in str(caught.value)
    assert __name__ in str(caught.value)


def test_two_actions_with_one_subject_are_refused(service_settings: Any) -> None:
    nats = Worker(service_settings).nats

    with pytest.raises(ConfigurationError, match=r"both answer v1\.billing\.greet"):
        ActionServer([Action("greet", greet), Action("greet", takes_dict)], nats)


def test_a_service_without_handlers_and_actions_is_refused(service_settings: Any) -> None:
    with pytest.raises(ConfigurationError, match="nothing to do"):
        Worker(service_settings).check()


def test_the_decorator_registers_a_function_and_returns_it_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "_registry", [])
    decorated: Callable[..., Awaitable[GreetResponse]] = action("greet", version=2, queue=False)(greet)

    assert decorated is greet
    assert actions.registered() == [Action("greet", greet, version=2, queue=False)]
