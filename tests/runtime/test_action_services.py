"""Services with actions as the processes that they are: side by side, killed, stopped and started under load."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from src.infrastructure.nats_client import NatsClient
from src.requests.errors import CallTimeout
from src.requests.nats import Nats
from tests.harness_tools.readiness import wait_ready

SUBJECT = "v1.greeter.greet"

ACTION = """
import asyncio
from pydantic import BaseModel
from src.actions.action import Context, action
from src.utils.logging import logger

class GreetRequest(BaseModel):
    name: str
    pause: float = 0

class GreetResponse(BaseModel):
    message: str

@action("greet", timeout=30)
async def greet(request: GreetRequest, context: Context) -> GreetResponse:
    if request.pause:
        logger.info("greeting")
    await asyncio.sleep(request.pause)
    return GreetResponse(message=f"Hello {request.name}!")
"""

Start = Callable[..., GeneratedService]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A generated service with an action and no handler."""
    generated = Path(sys.modules["src.config"].__file__ or "").parent.parent
    folder = shutil.copytree(generated, tmp_path / "greeter", ignore=shutil.ignore_patterns("__pycache__"))
    for file in (folder / "src/domain/handlers").glob("*_handler.py"):
        file.unlink()
    (folder / "src/domain/actions/greet_action.py").write_text(ACTION)
    return folder


@pytest.fixture
def start(folder: Path, tmp_path: Path, nats_server: NatsServer) -> Iterator[Start]:
    """Starts an instance of the service, ready; all are ended with the test."""
    started: list[GeneratedService] = []

    def start(name: str, ready: bool = True, **settings: str) -> GeneratedService:
        ours = {"SERVICE_NAME": "greeter", "NATS_URL": nats_server.url, "CONSUL_ENABLED": "false", "HOSTNAME": name}
        instance = GeneratedService(
            folder, python=sys.executable, log_folder=tmp_path, settings=ours | settings, name=name
        )
        started.append(instance)
        instance.start()
        if ready:
            wait_ready(instance)
        return instance

    yield start
    for instance in started:
        instance.kill()


@pytest.fixture
async def calls(client: NatsClient) -> Nats:
    return Nats(client)


async def begun(*instances: GeneratedService) -> GeneratedService:
    """The instance that has begun to answer."""

    def who() -> GeneratedService | None:
        return next((one for one in instances if any('"greeting"' in line for line in one.process.lines())), None)

    return await asyncio.to_thread(wait_until, who, limit=30, what="a request to be begun")


def requests_of(instance: GeneratedService) -> int:
    """How many requests have come to an instance."""
    return int(instance.stats()["actions"][0]["requests"])


class Load:
    """Calls without a pause, until the end; `failed` are those that raised."""

    def __init__(self, calls: Nats) -> None:
        self._calls = calls
        self.answered = 0
        self.failed: list[Exception] = []
        self._tasks = [asyncio.create_task(self._call()) for _ in range(8)]

    async def _call(self) -> None:
        while True:
            try:
                await self._calls.call(SUBJECT, {"name": "Ada", "pause": 0.002}, timeout=5)
                self.answered += 1
            except Exception as error:
                self.failed.append(error)

    async def answered_more(self, count: int) -> None:
        enough = self.answered + count
        await asyncio.to_thread(wait_until, lambda: self.answered > enough, limit=60, what=f"{count} more answers")

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()


@contextmanager
def load_of(calls: Nats) -> Iterator[Load]:
    load = Load(calls)
    try:
        yield load
    finally:
        load.end()


async def test_an_instance_killed_while_it_answers_costs_that_caller_its_time_out(start: Start, calls: Nats) -> None:
    instances = [await asyncio.to_thread(start, name) for name in ("one", "two")]
    calling = asyncio.create_task(calls.call(SUBJECT, {"name": "Ada", "pause": 20}, timeout=2))
    dying = await begun(*instances)

    dying.kill()

    with pytest.raises(CallTimeout):
        await calling
    assert await calls.call(SUBJECT, {"name": "Eve"}) == {"message": "Hello Eve!"}


async def test_with_a_retry_the_other_instance_answers_in_the_place_of_the_killed_one(
    start: Start, calls: Nats
) -> None:
    instances = [await asyncio.to_thread(start, name) for name in ("one", "two")]
    calling = asyncio.create_task(calls.call(SUBJECT, {"name": "Ada", "pause": 1}, timeout=3, retries=1))
    dying = await begun(*instances)
    other = next(instance for instance in instances if instance is not dying)
    assert requests_of(other) == 0

    dying.kill()

    assert await calling == {"message": "Hello Ada!"}
    assert requests_of(other) == 1


async def test_a_call_that_died_with_its_only_instance_times_out_in_time(start: Start, calls: Nats) -> None:
    instance = await asyncio.to_thread(start, "one")
    calling = asyncio.create_task(calls.call(SUBJECT, {"name": "Ada", "pause": 60}, timeout=1))
    await begun(instance)
    instance.kill()

    with pytest.raises(CallTimeout):
        await calling


async def test_a_service_that_is_told_to_stop_answers_what_it_has_begun(start: Start, calls: Nats) -> None:
    instance = await asyncio.to_thread(start, "one")
    calling = asyncio.create_task(calls.call(SUBJECT, {"name": "Ada", "pause": 1}, timeout=10))
    await begun(instance)

    stopped = await asyncio.to_thread(instance.stop)

    assert await calling == {"message": "Hello Ada!"}
    assert (stopped.exit_code, stopped.forced) == (0, False)


async def test_what_does_not_finish_in_time_is_told_so(start: Start, calls: Nats) -> None:
    instance = await asyncio.to_thread(start, "one", GRACEFUL_SHUTDOWN_TIMEOUT="0.2")
    calling = asyncio.create_task(calls.request(SUBJECT, {"name": "Ada", "pause": 4}, timeout=10))
    await begun(instance)

    stopped = await asyncio.to_thread(instance.stop)

    assert json.loads((await calling).data)["error"]["code"] == "504"
    assert stopped.exit_code == 0


async def test_two_instances_answer_5000_concurrent_requests(start: Start, calls: Nats) -> None:
    instances = [await asyncio.to_thread(start, name) for name in ("one", "two")]

    names = [f"caller {number}" for number in range(5000)]
    asked = [calls.call(SUBJECT, {"name": name, "pause": 0.001}, timeout=30) for name in names]
    answers = await asyncio.gather(*asked)

    assert answers == [{"message": f"Hello {name}!"} for name in names]
    shares = [requests_of(instance) for instance in instances]
    assert sum(shares) == 5000
    assert min(shares) > 1000


async def test_no_request_fails_while_instances_are_stopped_and_started_in_turn(start: Start, calls: Nats) -> None:
    instances = {name: await asyncio.to_thread(start, name) for name in ("one", "two")}
    with load_of(calls) as load:
        for name in ("one", "two", "one"):
            await load.answered_more(100)
            stopped = await asyncio.to_thread(instances[name].stop)
            assert stopped.exit_code == 0
            instances[name] = await asyncio.to_thread(start, name)
        await load.answered_more(100)

    assert load.failed == []


async def test_stats_and_metrics_tell_of_the_actions(start: Start, calls: Nats) -> None:
    instance = await asyncio.to_thread(start, "one")
    await calls.call(SUBJECT, {"name": "Ada"})
    await calls.request(SUBJECT, {})

    stats, metrics = instance.stats(), instance.metrics()

    assert [(one["action"], one["requests"], one["errors"], one["in_flight"]) for one in stats["actions"]] == [
        ("greet", 2, {"422": 1}, 0)
    ]
    assert (stats["ready"], stats["reason"], stats["subscriptions"]) == (True, "working", {})
    labels = 'action="greet",version="1"'
    assert metrics[f"worker_action_requests_total{{{labels}}}"] == 2
    assert metrics['worker_action_errors_total{action="greet",code="422",version="1"}'] == 1
    assert metrics[f"worker_action_duration_seconds_count{{{labels}}}"] == 2
    assert metrics[f"worker_action_in_flight{{{labels}}}"] == 0


async def test_what_an_action_logs_carries_the_request(start: Start, calls: Nats) -> None:
    instance = await asyncio.to_thread(start, "one")
    await calls.call(SUBJECT, {"name": "Ada", "pause": 0.001}, headers={"Correlation-Id": "c1"})

    line = next(record for record in instance.log_records() if record["message"] == "greeting")

    assert (line["subject"], line["correlation_id"], line["action"]) == (SUBJECT, "c1", "greet")


def test_a_service_with_nothing_to_do_does_not_start(start: Start, folder: Path) -> None:
    (folder / "src/domain/actions/greet_action.py").unlink()

    with pytest.raises(Exception, match="nothing to do: src/domain/handlers/"):
        start("one", ready=False)


def test_a_version_that_the_protocol_does_not_know_is_named(start: Start, folder: Path) -> None:
    project = folder / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "0.1.0"', 'version = "1.0"'))

    with pytest.raises(Exception, match=r"pyproject\.toml: version is '1\.0'"):
        start("one", ready=False)


def test_an_actions_only_service_needs_no_jetstream(start: Start, nats_server: NatsServer) -> None:
    start("one")

    assert nats_server.jsz()["streams"] == 0
