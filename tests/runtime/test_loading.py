"""A default worker is small: what it does not use is not loaded, and what it needs and lacks stops it with a way on."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from natsgen.harness.nats_server import NatsServer
from src.config import settings
from src.infrastructure import worker as worker_module
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.subscription import Subscription
from src.infrastructure.worker import Worker, load_package
from tests.runtime.conftest import SERVICE

STARTED = """
import asyncio, json, sys
import aiohttp
import src.main
from src.config import SERVICE, settings
from src.infrastructure.http_server import HttpServer
from src.infrastructure.worker import Worker

async def main():
    worker = Worker(settings)
    worker.register()
    http = HttpServer(worker)
    await http.start()
    worker.start()
    worker.announce(http.port)
    while not worker.readiness().ready:
        await asyncio.sleep(0.02)
    async with aiohttp.ClientSession() as session:
        for path in ("healthz", "readyz", "stats", "metrics"):
            async with session.get(f"http://127.0.0.1:{http.port}/{path}") as response:
                assert response.status == 200, await response.text()
    print(json.dumps(sorted(sys.modules)))
    await worker.stop()
    await http.stop()

asyncio.run(main())
"""

UNUSED = ("src.actions", "src.batch", "src.inbox", "src.pubsub", "src.requests", "src.tasks", "src.toolkit", "src.web")
UNUSED_ENVELOPES = ("src.domain.cloud_events", "src.domain.messages")
UNUSED_LIBRARIES = ("consul", "django", "fastapi", "nats.micro", "redis", "starlette", "uvicorn")

CORE = ("src/main.py", "src/config.py", "src/domain/events.py", "src/infrastructure", "src/utils")
EXTRAS_OF_UTILS = ("schemas.py",)


def of(modules: list[str], *packages: str) -> list[str]:
    """Those of the modules that are the packages, or in them."""
    return [name for name in modules if any(f"{name}.".startswith(f"{package}.") for package in packages)]


def test_a_default_worker_loads_nothing_that_it_does_not_use(nats_server: NatsServer) -> None:
    environment = {"NATS_URL": nats_server.url, "HTTP_PORT": "0", "CONSUL_ENABLED": "false", "DEDUP": "none"}
    run = subprocess.run(
        [sys.executable, "-c", STARTED], cwd=SERVICE, env=environment, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    loaded = next(json.loads(line) for line in run.stdout.splitlines() if line.startswith("["))

    assert of(loaded, *UNUSED, *UNUSED_ENVELOPES, *UNUSED_LIBRARIES) == []
    assert of(loaded, "src.domain") == [
        *("src.domain", "src.domain.events", "src.domain.handlers", "src.domain.handlers.order_created_handler"),
        *("src.domain.resources", "src.domain.settings"),
    ]


def core_files() -> list[Path]:
    """Every Python file of the core."""
    found = [SERVICE / path for path in CORE if path.endswith(".py")]
    found += [file for path in CORE for file in sorted((SERVICE / path).glob("*.py"))]
    return [file for file in found if file.name not in EXTRAS_OF_UTILS]


def imports(file: Path) -> Iterator[str]:
    """The modules of the service that a file imports, wherever in it, also for type checkers only."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


@pytest.mark.parametrize("file", core_files(), ids=lambda file: file.relative_to(SERVICE / "src").as_posix())
def test_the_core_imports_nothing_optional(file: Path) -> None:
    """Not even inside of functions: what it needs of packages it loads by name, see `load_package`."""
    allowed = ("src.config", "src.domain.events", "src.infrastructure", "src.utils")
    own = [name for name in imports(file) if name.split(".")[0] == "src"]

    assert [name for name in own if not of([name], *allowed)] == []
    assert of(own, "src.utils.schemas") == []
    if file.name == "events.py":
        assert own == [], "it is below everything"


def test_the_core_is_seen() -> None:
    names = {file.name for file in core_files()}

    assert {"main.py", "config.py", "events.py", "worker.py", "delivery.py", "logging.py"} <= names


async def takes_a_list(events: list[dict[str, Any]]) -> None: ...


MISSING = "which this service lacks; `natsgen repair` adds it"


def test_a_package_that_is_missing_is_named_with_the_way_on() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_package("src.nowhere", "src/domain/actions/add_action.py")

    said = f"src/domain/actions/add_action.py needs the package src.nowhere, {MISSING}"
    assert str(caught.value) == said


def test_a_library_that_is_missing_is_not_taken_for_a_package() -> None:
    """`natsgen repair` would not add it."""
    package = SERVICE / "src" / "needing"
    package.mkdir()
    try:
        (package / "__init__.py").write_text("import no_such_library\n")
        with pytest.raises(ModuleNotFoundError, match="no_such_library"):
            load_package("src.needing", "something")
    finally:
        (package / "__init__.py").unlink()
        shutil.rmtree(package)


@pytest.mark.parametrize("left", ["a folder that is empty now", "nothing"])
@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("handlers", "other_handler.py"),
        ("actions", "add_action.py"),
        ("publishers", "clock_publisher.py"),
        ("subscribers", "ear_subscriber.py"),
        ("tasks", "work_task.py"),
    ],
)
def test_a_part_without_its_package_stops_the_start(
    kind: str, part: str, left: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a merge of a branch that removed the last part, and one that added another."""
    (tmp_path / kind).mkdir()
    (tmp_path / kind / part).write_text("")
    monkeypatch.setattr(worker_module, "DOMAIN", tmp_path)
    package = f"src.domain.{kind}"

    def imported(name: str) -> Any:
        if name != package:
            return import_module(name)
        if left == "nothing":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        folder = ModuleType(name)
        folder.__file__ = None  # as that of a folder without __init__.py
        return folder

    monkeypatch.setattr(worker_module, "import_module", imported)

    with pytest.raises(ConfigurationError) as caught:
        Worker(settings).register()

    assert str(caught.value) == f"src/domain/{kind}/{part} needs the package {package}, {MISSING}"


@pytest.mark.parametrize("dedup", ["nats-kv", "redis"])
@pytest.mark.parametrize("generated", [True, False])
def test_an_inbox_without_its_package_stops_the_start(
    dedup: str, generated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that adds it depends on whether the service was made with it."""
    hide(monkeypatch, "src.inbox")
    monkeypatch.setitem(worker_module.SERVICE, "dedup", dedup if generated else "none")

    with pytest.raises(ConfigurationError) as caught:
        Worker(settings.model_copy(update={"DEDUP": dedup}))

    mend = "natsgen repair" if generated else f"natsgen answers SERVICE set dedup={dedup}"
    assert str(caught.value) == (
        f"DEDUP={dedup} needs the package src.inbox, which this service lacks; `{mend}` adds it"
    )


def test_a_batch_handler_without_its_package_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "src.batch")
    tested = Subscription(handler="tested", subject="a.b.c", function=takes_a_list)

    with pytest.raises(
        ConfigurationError, match=rf"tested, which takes a list, needs the package src\.batch, {MISSING}"
    ):
        Worker(settings).subscribe(tested)


def hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Has a package not be there."""

    def missing(name: str) -> Any:
        assert name == package
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(worker_module, "import_module", missing)
