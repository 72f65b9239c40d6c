"""Gateways of both frameworks, as the processes that they are, over real HTTP and against a real NATS server."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp
import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from natsgen.harness.commands import run
from natsgen.harness.consul_agent import ConsulAgent
from natsgen.harness.environment import environment_for
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.ports import LOOPBACK, Ports, free_port, start_on_free_ports
from natsgen.harness.processes import ManagedProcess
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.harness_tools.consul import check_status
from tests.harness_tools.readiness import wait_ready
from tests.smoke.gateways import Answer, Balancer, ask

ADA, HELLO = {"name": "Ada"}, {"message": "Hello Ada!"}
ROUTES = (
    "POST /greet=v1.greeter.greet",  # the gateway's own action
    "GET /quotes/{id}=v1.pricing.quote",  # another service's
    "POST /orders/{id}=publish:orders.order.created",
    "POST /orders/{id}/notes=publish:notes.note.written",  # no stream takes it
)

Start = Callable[..., GeneratedService]


@pytest.fixture(scope="module", params=["fastapi", "django"])
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(framework: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gateway `greeter`, as it is generated: with an action, and routes to it and to others."""
    return generate(framework, tmp_path_factory.mktemp("shop"), *ROUTES)


def generate(framework: str, workspace: Path, *routes: str) -> Path:
    command = [sys.executable, "-m", "natsgen", "new", "gateway", "greeter", "--framework", framework]
    options = [text for route in routes for text in ("--route", route)]
    options += ["--action", "greet", "--workspace", str(workspace), "--no-input"]
    subprocess.run([*command, *options], check=True, capture_output=True)
    return workspace / "services" / "greeter"


@pytest.fixture
def start(folder: Path, nats_server: NatsServer, tmp_path: Path) -> Iterator[Start]:
    """Starts an instance with these settings and waits until it is ready; all are stopped at the end."""
    with ExitStack() as stack:

        def start(name: str = "one", *, ready: bool = True, **settings: str) -> GeneratedService:
            ours = {"NATS_URL": nats_server.url, "CONSUL_ENABLED": "false", "HOSTNAME": name}
            gateway = GeneratedService(
                folder,
                python=environment_for(folder / "requirements.txt"),
                log_folder=tmp_path,
                name=name,
                settings={**ours, **settings},
            )
            stack.enter_context(gateway)
            if ready:
                wait_ready(gateway)
            return gateway

        yield start


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[Client]:
    """Another service, that knows nothing of natsgen."""
    client = await nats.connect(nats_server.url)
    yield client
    await client.close()


async def greets_through_its_own_action(gateway: GeneratedService) -> None:
    answer = await ask(gateway, "POST", "/greet", ADA)

    assert (answer.status, answer.body) == (200, HELLO)


@pytest.mark.parametrize("framework", ["fastapi"], indirect=True)
async def test_reference_fastapi_example(start: Start) -> None:
    gateway = start()

    await greets_through_its_own_action(gateway)

    document = (await ask(gateway, "GET", "/openapi.json")).body
    assert document["info"]["title"] == "greeter"
    assert "post" in document["paths"]["/greet"]
    assert "HTTPValidationError" not in json.dumps(document)  # errors have one form, in the document too
    assert (await ask(gateway, "GET", "/docs")).status == 200


@pytest.mark.parametrize("framework", ["django"], indirect=True)
async def test_reference_django_example(start: Start) -> None:
    await greets_through_its_own_action(start())


async def test_a_call_carries_correlation_and_trace_and_the_query(start: Start, client: Client) -> None:
    asked: list[Msg] = []

    async def quote(message: Msg) -> None:
        asked.append(message)
        await message.respond(b'{"result": {"price": 3}}')

    await client.subscribe("v1.pricing.quote", cb=quote)
    gateway = start()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    first = await ask(gateway, "GET", "/quotes/7?size=2", headers={"X-Correlation-ID": "c-1", "traceparent": trace})
    second = await ask(gateway, "GET", "/quotes/7", headers={"X-Request-ID": "r-1"})
    third = await ask(gateway, "GET", "/quotes/7", headers={"X-Correlation-ID": "not usable\u00e9"})

    assert (first.status, first.body) == (200, {"price": 3})
    assert json.loads(asked[0].data) == {"id": "7", "size": "2"}
    assert asked[0].headers == {"Correlation-Id": "c-1", "traceparent": trace}
    ids = [answer.headers["X-Correlation-ID"] for answer in (first, second, third)]
    assert ids[:2] == ["c-1", "r-1"]
    assert len(ids[2]) == 36
    assert [message.headers["Correlation-Id"] for message in asked if message.headers] == ids


async def test_what_is_published_is_stored_with_its_correlation(start: Start, client: Client) -> None:
    await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
    gateway = start()

    answer = await ask(gateway, "POST", "/orders/o-1", {"item": 3}, {"X-Correlation-ID": "c-1"})

    stored = await client.jetstream().get_last_msg("ORDERS", "orders.order.created")
    event = json.loads(stored.data or b"")
    assert answer.status == 202
    assert answer.body == {"event_id": event["id"], "aggregate_id": "o-1"}
    assert event["type"] == "orders.order.created"
    assert event["data"] == {"item": 3, "id": "o-1"}
    assert (stored.headers or {})["Correlation-Id"] == "c-1"
    assert (stored.headers or {})["Nats-Msg-Id"] == event["id"]


def error_of(answer: Answer) -> tuple[int, str]:
    """Status and code; the body has the form of every error, and says nothing else."""
    assert list(answer.body) == ["error"]
    assert list(answer.body["error"]) == ["code", "message", "details"]
    assert answer.headers["X-Correlation-ID"]
    return answer.status, answer.body["error"]["code"]


async def test_every_error_has_one_form(start: Start, client: Client) -> None:
    gateway = start(HTTP_MAX_BODY="1000")

    assert error_of(await ask(gateway, "GET", "/nothing")) == (404, "404")
    assert error_of(await ask(gateway, "GET", "/greet")) == (405, "405")
    assert error_of(await ask(gateway, "POST", "/greet", b"no JSON")) == (422, "422")
    assert error_of(await ask(gateway, "POST", "/greet", b" " * 1001)) == (413, "413")
    assert error_of(await ask(gateway, "POST", "/greet", b'{"name": "Ada", "more": "\\ud800"}')) == (422, "422")
    assert error_of(await ask(gateway, "POST", "/greet", {})) == (422, "422")  # the action's own
    assert error_of(await ask(gateway, "GET", "/quotes/7")) == (503, "503")  # nobody listens
    assert error_of(await ask(gateway, "POST", "/orders/7/notes", {})) == (503, "503")  # no stream takes it


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b'{"error": {"code": "404", "message": "no such quote", "details": {"id": 7}}}', (404, "404")),
        (b'{"error": {"code": "sold_out", "message": "no more", "details": null}}', (502, "sold_out")),
        (b'{"error": {"code": "200", "message": "odd", "details": null}}', (502, "200")),
        (b"nonsense", (502, "502")),
        (None, (504, "504")),
    ],
)
async def test_an_error_of_another_service_is_told_by_its_code(
    start: Start, client: Client, reply: bytes | None, expected: tuple[int, str]
) -> None:
    async def quote(message: Msg) -> None:
        if reply is not None:
            await message.respond(reply)

    await client.subscribe("v1.pricing.quote", cb=quote)
    await client.flush()  # `start` holds the loop up

    answer = await ask(start(), "GET", "/quotes/7")

    assert error_of(answer) == expected
    if expected == (404, "404"):
        assert answer.body["error"] == {"code": "404", "message": "no such quote", "details": {"id": 7}}


async def test_a_route_that_fails_tells_its_client_nothing_and_its_log_everything(
    start: Start, folder: Path, framework: str
) -> None:
    (file,) = (folder / "src/web/routes").glob("greet_route.py")
    text = file.read_text()
    file.write_text(
        text.replace("    return await nats.call(", '    raise KeyError("secret")\n    return await nats.call(')
    )
    try:
        gateway = start()
        answer = await ask(gateway, "POST", "/greet", ADA, {"X-Correlation-ID": "c-1"})
    finally:
        file.write_text(text)

    assert error_of(answer) == (500, "500")
    assert "secret" not in json.dumps(answer.body)
    await asyncio.to_thread(gateway.process.wait_for_line, "request failed", limit=30)
    (line,) = [line for line in gateway.log_records() if "secret" in json.dumps(line)]
    assert (line["level"], line["correlation_id"]) == ("ERROR", "c-1")
    assert "KeyError" in line["exception"]


async def test_metrics_count_by_route_and_never_by_path(start: Start) -> None:
    gateway = start()
    for number in range(3):
        await ask(gateway, "GET", f"/quotes/{number}")
        await ask(gateway, "GET", f"/nothing/{number}")
    await ask(gateway, "POST", "/greet", ADA)

    def counted() -> dict[str, float]:
        return {name: value for name, value in gateway.metrics().items() if name.startswith("gateway_requests_total")}

    # a request is counted when its answer has been sent, so that a client may have it a little sooner
    await asyncio.to_thread(wait_until, lambda: sum(counted().values()) == 7, limit=30, what="seven counted requests")
    assert counted() == {
        'gateway_requests_total{method="GET",route="/quotes/{id}",status="503"}': 3,
        'gateway_requests_total{method="GET",route="other",status="404"}': 3,
        'gateway_requests_total{method="POST",route="/greet",status="200"}': 1,
    }


async def test_without_nats_it_serves_and_says_so_and_answers_when_nats_comes(
    start: Start, nats_server: NatsServer
) -> None:
    nats_server.stop()
    gateway = start(ready=False)

    assert error_of(await ask(gateway, "POST", "/greet", ADA)) == (503, "503")
    assert error_of(await ask(gateway, "POST", "/orders/7", {})) == (503, "503")
    assert (await ask(gateway, "GET", "/readyz")).status == 503
    assert (await ask(gateway, "GET", "/healthz")).status == 200

    nats_server.start()
    await asyncio.to_thread(wait_ready, gateway)
    await greets_through_its_own_action(gateway)


async def test_a_client_that_sends_half_a_request_is_not_waited_for(start: Start) -> None:
    """Two thousand of them were held for as long as they liked."""
    gateway = start(HTTP_READ_TIMEOUT="0.5")
    head = b"POST /greet HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"

    async def send(*parts: bytes, before: bytes = b"") -> bytes:
        reader, writer = await asyncio.open_connection(LOOPBACK, gateway.port)
        if before:
            writer.write(before)
            await reader.readuntil(b"}")
        with suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.05)
        async with asyncio.timeout(10):
            with suppress(ConnectionError):
                return await reader.read()
        return b""

    first = head + b"Content-Length: 15\r\n\r\n" + json.dumps(ADA).encode()
    assert await send() == b""
    assert await send(head) == b""
    assert await send(*[bytes([byte]) for byte in head]) == b""  # a byte now and then
    assert await send(head, before=first) == b""  # nor after a request that was answered
    assert (await send(head + b"Content-Length: 15\r\n\r\n{")).startswith(b"HTTP/1.1 408")
    await greets_through_its_own_action(gateway)
    assert gateway.metrics()["gateway_connections_late_total"] == 4


async def test_connections_are_fewer_than_files_and_what_is_too_much_is_no_flood_in_the_log(start: Start) -> None:
    gateway = start(HTTP_MAX_CONNECTIONS="20", HTTP_READ_TIMEOUT="2")
    writers = [(await asyncio.open_connection(LOOPBACK, gateway.port))[1] for _ in range(200)]
    for writer in writers:
        writer.write(b"\x00\r\n\r\n")  # no HTTP either
        writer.close()

    async def answers() -> bool:
        with suppress(OSError, aiohttp.ClientError):
            return (await ask(gateway, "POST", "/greet", ADA)).status == 200
        return False

    async with asyncio.timeout(10):
        while not await answers():  # noqa: ASYNC110 (the gateway closes them)
            await asyncio.sleep(0.1)
    assert gateway.metrics()["gateway_connections_refused_total"] > 100
    assert len(gateway.log_records()) < 20


async def test_the_public_port_does_not_show_the_inside(start: Start) -> None:
    def start_on(ports: Ports) -> tuple[GeneratedService, int]:
        return start(HTTP_PORT=str(ports[0]), HTTP_INTERNAL_PORT=str(ports[1])), ports[1]

    gateway, internal = start_on_free_ports(2, start_on)
    inside: Any = type("Gateway", (), {"port": internal})()

    for path in ("/metrics", "/stats", "/docs", "/openapi.json"):
        assert error_of(await ask(gateway, "GET", path)) == (404, "404")
    for path in ("/metrics", "/stats", "/readyz"):
        assert (await ask(inside, "GET", path)).status == 200
    assert (await ask(gateway, "GET", "/readyz")).status == 200


async def test_200_requests_at_once(start: Start) -> None:
    gateway = start()

    answers = await asyncio.gather(*(ask(gateway, "POST", "/greet", {"name": str(n)}) for n in range(200)))

    assert [answer.body for answer in answers] == [{"message": f"Hello {n}!"} for n in range(200)]


async def test_at_sigterm_running_requests_are_answered_and_it_exits_with_0(start: Start, client: Client) -> None:
    asked: list[Msg] = []

    async def quote(message: Msg) -> None:
        asked.append(message)

    await client.subscribe("v1.pricing.quote", cb=quote)
    gateway = start()
    running = asyncio.create_task(ask(gateway, "GET", "/quotes/7"))
    await asyncio.to_thread(wait_until, lambda: asked, limit=30, what="the request to be passed on")

    gateway.process.signal(signal.SIGTERM)
    await asyncio.to_thread(gateway.process.wait_for_line, "gateway stopping", limit=30)
    unready = await ask(gateway, "GET", "/readyz")
    late = await ask(gateway, "POST", "/greet", ADA)  # in time: load balancers need a moment to notice
    await asked[0].respond(b'{"result": {"price": 3}}')

    assert unready.status == 503
    assert unready.body["reason"] == "shutting down"
    assert late.body == HELLO
    assert late.headers["Connection"] == "close"
    assert (await running).body == {"price": 3}
    assert await asyncio.to_thread(gateway.process.wait, 10) == 0
    assert "gateway stopped" in gateway.process.tail()


async def test_what_takes_longer_than_it_may_at_the_end_is_cut_short_with_an_answer(
    start: Start, client: Client
) -> None:
    asked: list[Msg] = []

    async def quote(message: Msg) -> None:
        asked.append(message)

    await client.subscribe("v1.pricing.quote", cb=quote)
    gateway = start(HTTP_DRAIN_TIME="0", GRACEFUL_SHUTDOWN_TIMEOUT="0.5")  # the call itself has two seconds
    running = asyncio.create_task(ask(gateway, "GET", "/quotes/7"))
    await asyncio.to_thread(wait_until, lambda: asked, limit=30, what="the request to be passed on")

    gateway.process.signal(signal.SIGTERM)

    answer = await running
    assert error_of(answer) == (504, "504")
    assert "stopped" in answer.body["error"]["message"]
    assert await asyncio.to_thread(gateway.process.wait, 10) == 0
    assert "Exception in ASGI application" not in gateway.process.tail()


AS_PYTHON_3_13 = """
import asyncio.base_events

async def wait_closed(self):
    while self._active_count:
        await asyncio.sleep(0.05)

asyncio.base_events.Server.wait_closed = wait_closed
"""


async def test_a_second_signal_hurries_whatever_is_in_flight(start: Start, tmp_path: Path) -> None:
    """Since Python 3.12, a server that closes waits for its connections."""
    (tmp_path / "sitecustomize.py").write_text(AS_PYTHON_3_13)
    long = dict.fromkeys(("HTTP_DRAIN_TIME", "HTTP_READ_TIMEOUT", "GRACEFUL_SHUTDOWN_TIMEOUT"), "60")
    gateway = start(PYTHONPATH=str(tmp_path), **long)
    _, request = await asyncio.open_connection("127.0.0.1", gateway.port)
    request.write(b"POST /greet HTTP/1.1\r\nHost: gateway\r\nContent-Length: 9\r\n\r\n")  # and its body never comes
    await request.drain()

    gateway.process.signal(signal.SIGTERM)
    await asyncio.to_thread(gateway.process.wait_for_line, "gateway stopping", limit=30)
    gateway.process.signal(signal.SIGTERM)

    assert await asyncio.to_thread(gateway.process.wait, 10) == 0
    request.close()


async def test_rolling_restart_under_load_loses_no_request(start: Start) -> None:
    balancer = Balancer()
    balancer.gateways = [start("one"), start("two")]

    async with balancer.load(8, "POST", "/greet", ADA):
        for number, old in enumerate(list(balancer.gateways)):
            before = balancer.answered
            replacement = await asyncio.to_thread(start, f"new-{number}")
            balancer.gateways.append(replacement)
            assert (await asyncio.to_thread(old.stop)).exit_code == 0
            balancer.gateways.remove(old)
            enough = before + 50
            await asyncio.to_thread(wait_until, lambda: balancer.answered > enough, limit=30, what="more answers")  # noqa: B023

    assert balancer.failed == []


@pytest.mark.consul
async def test_it_leaves_consul_before_its_requests_end(
    start: Start, client: Client, consul_agent: ConsulAgent
) -> None:
    asked: list[Msg] = []

    async def quote(message: Msg) -> None:
        asked.append(message)

    await client.subscribe("v1.pricing.quote", cb=quote)
    gateway = start(CONSUL_ENABLED="true", CONSUL_HOST=LOOPBACK, CONSUL_PORT=str(consul_agent.http_port))
    passing = lambda: check_status(consul_agent.api, f"greeter-one-{LOOPBACK}-{gateway.port}") == "passing"  # noqa: E731
    await asyncio.to_thread(wait_until, passing, limit=60, what="Consul to call the gateway passing")
    (instance,) = consul_agent.api.service_instances("greeter")
    assert instance["Service"]["Port"] == gateway.port
    running = asyncio.create_task(ask(gateway, "GET", "/quotes/7"))
    await asyncio.to_thread(wait_until, lambda: asked, limit=30, what="the request to be passed on")

    gateway.process.signal(signal.SIGTERM)
    await asyncio.to_thread(gateway.process.wait_for_line, "deregistered from Consul", limit=30)
    assert consul_agent.api.service_instances("greeter") == []
    assert not running.done()
    await asked[0].respond(b'{"result": {"price": 3}}')

    assert (await running).status == 200
    assert await asyncio.to_thread(gateway.process.wait, 10) == 0


STARTING = """
import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter

async def wait_for(name):
    while not Path(name).exists():
        await asyncio.sleep(0.05)

@asynccontextmanager
async def lifespan(_):
    Path("starting").touch()
    try:
        await wait_for("go-on")
        if Path("fail").exists():
            raise RuntimeError("no database")
        yield
        await wait_for("never")
    finally:
        Path("closed").touch()

router = APIRouter(lifespan=lifespan)
"""


@pytest.fixture
def starting(
    folder: Path, nats_server: NatsServer, consul_agent: ConsulAgent, tmp_path: Path
) -> Iterator[GeneratedService]:
    """A gateway whose application waits in its start for a file `go-on`, and in its end for ever."""
    copy = shutil.copytree(folder, tmp_path / "greeter")
    (copy / "src/web/routes/starting_route.py").write_text(STARTING)
    in_consul = {"CONSUL_ENABLED": "true", "CONSUL_HOST": LOOPBACK, "CONSUL_PORT": str(consul_agent.http_port)}
    settings = {"NATS_URL": nats_server.url, "GRACEFUL_SHUTDOWN_TIMEOUT": "1", **in_consul}
    python = environment_for(copy / "requirements.txt")
    gateway = GeneratedService(copy, python=python, log_folder=tmp_path, settings=settings)
    gateway.launch()
    try:
        wait_until((copy / "starting").exists, limit=60, what="the application to start")
        yield gateway
    finally:
        gateway.kill()


@pytest.mark.consul
@pytest.mark.parametrize("framework", ["fastapi"], indirect=True)
def test_an_application_that_fails_to_start_is_never_in_consul(starting: GeneratedService) -> None:
    (starting.folder / "fail").touch()
    starting.process.wait_for_line("connected to NATS", limit=30)
    (starting.folder / "go-on").touch()

    assert starting.process.wait(30) == 2
    assert "the application could not start" in starting.process.tail()
    assert "registered in Consul" not in starting.process.tail()
    assert "http server started" not in starting.process.tail()


@pytest.mark.consul
@pytest.mark.parametrize("framework", ["fastapi"], indirect=True)
def test_a_signal_ends_a_gateway_whose_application_starts(starting: GeneratedService) -> None:
    starting.process.signal(signal.SIGTERM)

    assert starting.process.wait(10) == 0
    assert (starting.folder / "closed").exists()
    assert "registered in Consul" not in starting.process.tail()
    assert "Traceback" not in starting.process.tail()


@pytest.mark.consul
@pytest.mark.parametrize("framework", ["fastapi"], indirect=True)
def test_a_signal_ends_a_gateway_whose_application_does_not_end(starting: GeneratedService) -> None:
    (starting.folder / "go-on").touch()
    starting.process.wait_for_line("registered in Consul", limit=30)
    starting.process.signal(signal.SIGTERM)

    assert starting.process.wait(20) == 0
    assert "deregistered from Consul" in starting.process.tail()


def test_the_readme_lists_every_setting(folder: Path, framework: str) -> None:
    program = "from src.web.settings import WebSettings as Web; names = [*Web.model_fields]\n"
    if framework == "django":
        program += "from src.web.django.settings import DjangoSettings as Django; names += Django.model_fields\n"
    python = environment_for(folder / "requirements.txt")
    settings = run([python, "-c", f"{program}print(*names)"], limit=20, folder=folder).output.split()
    table = (folder / "src/web/README.md").read_text()

    documented = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `") and line[3].isupper()]

    assert documented == settings


async def test_plain_uvicorn_serves_it_too(folder: Path, nats_server: NatsServer, tmp_path: Path) -> None:
    port = free_port()
    python = environment_for(folder / "requirements.txt")
    server = ManagedProcess(
        [str(python), "-m", "uvicorn", "src.web.app:app", "--host", LOOPBACK, "--port", str(port)],
        name="uvicorn",
        log_folder=tmp_path,
        environment={"NATS_URL": nats_server.url, "CONSUL_ENABLED": "false", "HTTP_PORT": str(port)},
        folder=folder,
    )
    gateway: Any = type("Gateway", (), {"port": port})()
    try:
        server.wait_for_line("Uvicorn running", limit=60)

        async def greets() -> bool:
            return (await ask(gateway, "POST", "/greet", ADA)).body == HELLO

        for _ in range(50):
            if await greets():
                break
            await asyncio.sleep(0.1)
        assert await greets()
        server.signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.wait, 10) == -signal.SIGTERM  # raised again by uvicorn, when it is done
    finally:
        server.kill()
