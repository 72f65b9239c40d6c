"""An ordinary service is built by commands and by files of its owner, works, and stays current.

The tests are named after what once stopped a newcomer: each could only be passed by editing files of the template.
"""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nats
import pytest
import yaml

from natsgen.harness.commands import run
from natsgen.harness.containers import ComposeProject
from natsgen.harness.environment import environment_for
from natsgen.harness.http_client import request
from natsgen.harness.metrics_text import parse_metrics
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.ports import LOOPBACK, free_port
from natsgen.harness.programs import need_program
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.harness_tools.compose import published_port
from tests.harness_tools.readiness import wait_ready
from tests.update import world
from tests.update.test_check import check
from tests.update.world import FIRST, REPOSITORY, SECOND, Installed

EXAMPLE = REPOSITORY / "examples/order-to-invoice"
OWNERS = {path.relative_to(EXAMPLE / "owner") for path in (EXAMPLE / "owner").rglob("*") if path.is_file()}
MARK = "of the second release"
LIMIT = 120.0
SUBJECT, CREATED = "orders.order.created", "billing.invoice.created"
NEIGHBOURS = ("anyio", "attrs", "frozenlist", "h11", "idna", "httpx", "multidict", "nats-py")  # of pins of the owner


@dataclass(frozen=True)
class Shop:
    """The workspace of the example, committed.

    Attributes:
        folder: where it is.
        natsgen: that it was built with.
        newer: the natsgen of a release that changed every file of the template.
    """

    folder: Path
    natsgen: Installed
    newer: Installed

    @property
    def service(self) -> Path:
        return self.folder / "services/billing"


def second(root: Path) -> None:
    """Change every file that the template owns, beside the owner's lines where there are some."""
    once = ("domain/resources.py", "domain/settings.py", "override.yml.jinja")
    for file in (root / "template").rglob("*"):
        if not file.is_file() or "{% yield" in file.name or str(file).endswith(once) or "answers_file" in file.name:
            continue
        text = file.read_text()
        if file.name.startswith("requirements"):
            text = re.sub(rf"^({'|'.join(NEIGHBOURS)})==(\S+)", r"\1==\2.post1", text, flags=re.M)
        if file.name.startswith("pyproject"):
            text = text.replace('"aiohttp>=3.13"', '"aiohttp>=3.13.1"').replace("~=2.16.0", "~=2.16.1")
        if file.suffix != ".json":
            file.write_text(f"{text.rstrip()}\n# {MARK}\n")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("example")
    root = world.template_repository(folder / "repository")
    world.make_release(root, FIRST)
    first = world.install(root, folder / FIRST)
    world.make_release(root, SECOND, second)
    newer = world.install(root, folder / SECOND)
    uv = need_program("uv", hint="pip install uv").parent
    environment = {**first.environment, "NATSGEN": " ".join(first.command())}
    environment["PATH"] = f"{uv}:{environment['PATH']}"
    place = folder / f"shop-{uuid.uuid4().hex[:8]}"  # the name of its network, which is the Docker engine's
    subprocess.run([EXAMPLE / "build.sh", place], env=environment, check=True, timeout=LIMIT)
    world.commit(place)
    return Shop(place, first, newer)


@pytest.fixture(scope="module")
def python(shop: Shop) -> Path:
    return environment_for(shop.service / "requirements-dev.txt")


@dataclass
class Warehouse:
    """A warehouse that is busy at first.

    Attributes:
        url: its address.
        requests: what it was asked for.
    """

    url: str = ""
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    found = Warehouse()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            found.requests.append(self.path)
            self.send_response(200 if len(found.requests) > 1 else 503)
            self.send_header("Retry-After", "0.2")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found.url = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()


@dataclass(frozen=True)
class Running:
    """The service as a process, and what it needs."""

    service: GeneratedService
    database: Path
    nats_url: str

    def rows(self) -> int:
        """The number of invoices."""
        with closing(sqlite3.connect(self.database)) as database:
            return int(database.execute("SELECT count(*) FROM invoices").fetchone()[0])


@pytest.fixture
def running(shop: Shop, python: Path, warehouse: Warehouse, tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "data").mkdir()
    database = tmp_path / "data/invoices.db"
    with NatsServer(tmp_path / "nats") as server:
        settings = {
            **{"NATS_URL": server.url, "CONSUL_ENABLED": "false", "DATABASE": str(database)},
            **{"WAREHOUSE_URL": warehouse.url, "LOG_FORMAT": "json"},
        }
        with GeneratedService(shop.service, python=python, log_folder=tmp_path, settings=settings) as service:
            wait_ready(service)
            yield Running(service, database, server.url)


async def publish(url: str, event_id: str) -> None:
    event = {"id": event_id, "type": SUBJECT, "timestamp": "2026-01-15T10:00:00Z", "aggregateId": "order_1"}
    client = await nats.connect(url)
    payload = json.dumps({**event, "data": {"amount": "9.90"}}).encode()
    await client.jetstream().publish(SUBJECT, payload, headers={"Tenant": "acme"})
    await client.close()


async def next_on(url: str, subject: str) -> Any:
    client = await nats.connect(url)
    subscription = await client.jetstream().subscribe(subject)
    found = json.loads((await subscription.next_msg(timeout=30)).data)
    await client.close()
    return found


def until(condition: Callable[[], bool], what: str, running: Running) -> None:
    wait_until(condition, limit=30, what=what, alive=running.service.process.check_alive)


def test_the_example_has_only_files_of_the_owner(shop: Shop) -> None:
    code, service = check(shop.natsgen, shop.folder)
    assert (code, service["is_clean"], service["files"], service["accepted"]) == (0, True, [], [])
    assert all((shop.folder / path).read_bytes() == (EXAMPLE / "owner" / path).read_bytes() for path in OWNERS)


@pytest.mark.slow
def test_its_own_tests_and_gates_pass(shop: Shop, python: Path) -> None:
    for words in (["pytest", "-q"], ["mypy"], ["ruff", "check", "."], ["ruff", "format", "--check", "."]):
        run([python, "-m", *words], limit=LIMIT, folder=shop.service)


async def test_wall_1_resources_are_opened_and_closed_and_decide_about_readiness(running: Running) -> None:
    service = running.service
    away = running.database.with_suffix(".away")
    running.database.rename(away)
    until(lambda: service.get("/readyz").status == 503, "unready without its database", running)
    assert "unable to open database file" in service.get("/readyz").body
    away.rename(running.database)
    until(lambda: service.get("/readyz").status == 200, "ready again", running)

    assert service.stop().exit_code == 0


async def test_wall_2_what_a_handler_publishes_has_a_stream(running: Running, warehouse: Warehouse) -> None:
    await publish(running.nats_url, "evt_1")

    until(lambda: len(warehouse.requests) == 2, "the warehouse asked again after it was busy", running)
    created = await next_on(running.nats_url, CREATED)
    assert (created["type"], created["aggregateId"], created["data"]) == (CREATED, "order_1", {"amount": "9.90"})
    assert warehouse.requests == ["/reservations/evt_1"] * 2
    assert running.rows() == 1


async def test_wall_3_own_metrics_and_log_fields_are_there(running: Running) -> None:
    await publish(running.nats_url, "evt_2")

    def is_handled() -> bool:
        return any(record["message"] == "invoice created" for record in running.service.log_records())

    until(is_handled, "the invoice created", running)
    assert running.service.metrics()["billing_invoices_total"] == 1
    (record,) = (record for record in running.service.log_records() if record["message"] == "invoice created")
    assert record["tenant"] == "acme"


def test_wall_4_own_settings_are_checked_at_the_start(shop: Shop, python: Path, tmp_path: Path) -> None:
    service = GeneratedService(shop.service, python=python, log_folder=tmp_path, settings={"CONSUL_ENABLED": "false"})
    service.launch()
    wait_until(lambda: service.process.returncode is not None, limit=20, what="the end of the service")
    assert service.process.returncode == 2
    assert "invalid setting WAREHOUSE_URL" in (tmp_path / "billing.err.log").read_text()


def test_wall_4_a_change_of_every_file_of_the_template_merges(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    world.git(tmp_path, "clone", "--quiet", shop.folder, folder)
    made = set(world.git(folder, "ls-files").split())
    own = {str(path) for path in OWNERS} | {"compose/infrastructure.yml"}
    own |= {f"services/billing/src/domain/{name}.py" for name in ("resources", "settings")}
    before = {path: (folder / path).read_bytes() for path in own}

    code, service = check(shop.newer, folder)
    assert (code, service["is_behind"], service["conflicting"], service["files"]) == (1, True, [], [])
    shop.newer.do("update", "billing", cwd=folder)

    assert before == {path: (folder / path).read_bytes() for path in own}
    assert check(shop.newer, folder)[0] == 0
    shared = ("requirements.txt", "requirements-dev.txt", "pyproject.toml", ".copier-answers.yml")  # see below
    assert not [path for path in made - own if MARK not in (folder / path).read_text() and not path.endswith(shared)]
    pins = (folder / "services/billing/requirements.txt").read_text()
    assert "\nhttpx==" in pins
    assert ".post1" in pins
    project = (folder / "services/billing/pyproject.toml").read_text()
    assert '    "aiohttp>=3.13.1",\n    "httpx>=0.28",\n    "nats-py[nkeys]~=2.16.1"' in project


WAREHOUSE = """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_PUT(self):
        self.send_response(200)
        self.end_headers()

HTTPServer(("", 8080), Handler).serve_forever()
"""
ROWS = "import sqlite3; print(sqlite3.connect('/data/invoices.db').execute('SELECT count(*) FROM invoices').fetchone())"


@pytest.fixture
def containers(shop: Shop) -> Iterator[tuple[ComposeProject, str]]:
    """The service in containers, beside a warehouse, and the address of NATS."""
    own = shop.folder / "compose/infrastructure.yml"
    document = yaml.safe_load(own.read_text())
    document["services"]["warehouse"] = {"image": "python:3.13-slim", "command": ["python", "-c", WAREHOUSE]}
    own.write_text(yaml.safe_dump(document))
    variables = ("NATS_PORT", "NATS_MONITOR_PORT", "CONSUL_PORT")
    ports = {name: str(free_port()) for name in variables}
    file = shop.folder / "compose/billing.yml"
    with ComposeProject(file, environment=ports, name=shop.folder.name, remove_images=True) as project:
        project.build()
        project.up()
        yield project, f"nats://{LOOPBACK}:{ports['NATS_PORT']}"


@pytest.mark.docker
async def test_wall_6_it_runs_in_containers_with_a_volume_and_temporary_files(
    containers: tuple[ComposeProject, str],
) -> None:
    project, url = containers
    await publish(url, "evt_1")
    assert (await next_on(url, CREATED))["aggregateId"] == "order_1"

    assert project.exec("billing", "python", "-c", ROWS).strip() == "(1,)"
    project.exec("billing", "python", "-c", "import tempfile; tempfile.TemporaryFile()")
    port = published_port(project, "billing", 8080)
    assert parse_metrics(request(LOOPBACK, port, "/metrics").body)["billing_invoices_total"] == 1
    assert request(LOOPBACK, port, "/readyz").status == 200
    project.exec("billing", "mv", "/data/invoices.db", "/data/away.db")
    wait_until(lambda: request(LOOPBACK, port, "/readyz").status == 503, limit=30, what="it to be unready")
