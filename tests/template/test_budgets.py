"""A service is small enough to own: how many files it has, how much code it loads, and how its files depend."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from natsgen.cli import main
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.parts import packages
from natsgen.parts.kinds import is_owners
from tests.harness_tools.readiness import wait_ready
from tests.template import source

FILES = 48  # of a default worker, with its compose files
PYTHON_FILES = 30  # of these, in src/
LOADED_LINES = 2_640  # lines of the template's code that a default worker loads; the goal is 2,000, so only lower it
ALL_LINES = 6_038  # of a service with every kind of part, every extra but otel, Redis; goal 5,500, so only lower it
FILE_LINES = 200  # lines of code in any file
README_LINES = 150

PACKAGE_LINES = {
    "actions": 387,
    "batch": 87,
    "batches": 96,
    "cloudevents": 146,
    "decoders": 54,
    "handlers": 6,
    "inbox": 370,
    "kv": 131,
    "messages": 34,
    "objects": 147,
    "otel": 465,
    "publishers": 208,
    "requests": 336,
    "schemas": 29,
    "streams": 5,
    "subscribers": 181,
    "sync": 184,
    "tasks": 559,
    "tenancy": 72,
    "toolkit": 8,
    "web": 705,
}
"""Lines of code of each package, with what it shares with others; web with both frameworks, inbox with both stores."""

DEPLOY_LINES = {"catalog": 40, "kubernetes": 550, "monitoring": 2_200}
"""Lines of the deployment files of a service with every kind of part."""

WORKER = ("worker", "billing", "--subject", "orders.order.created")
FULL = (
    *("gateway", "full", "--framework", "fastapi", "--route", "POST /greet=v1.greeter.greet", "--dedup", "redis"),
    *("--data", "handlers={order_created: orders.order.created, all: {subject: orders.>, batch: true}}"),
    *("--data", "actions={greet: {}}", "--data", "tasks={send_email: {queue: emails}}"),
    *("--data", "publishers={events_test: events.test}", "--data", "subscribers={events_test: events.test}"),
    *("--data", f"extras={json.dumps(packages.EXTRA_NAMES)}"),
    *("--data", f"deploy={json.dumps(packages.DEPLOY_NAMES)}"),
)
ON_EXIT = """
import atexit, os, sys

@atexit.register
def write_loaded():
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    open(os.environ["LOADED"], "w").write("\\n".join(file for file in files if file))
"""


@dataclass(frozen=True)
class Services:
    """Rendered services: a default worker, and one with everything."""

    worker: Path
    full: Path


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    def new(*arguments: str) -> Path:
        workspace = tmp_path_factory.mktemp(arguments[1])
        assert main(["new", *arguments, "--workspace", str(workspace), "--no-input"]) == 0
        return workspace / "services" / arguments[1]

    return Services(new(*WORKER), new(*FULL))


def template_code(service: Path) -> dict[str, int]:
    """Return the lines of code of the template's files in src/, by path."""
    files = {path.relative_to(service): path for path in source.python_files(service / "src")}
    return {str(name): source.code_lines(path) for name, path in files.items() if not is_own(name)}


def is_own(path: Path) -> bool:
    """Return whether a file is the owner's."""
    return path.as_posix() in source.CREATED_ONCE or is_owners(PurePosixPath(path.as_posix()))


def table(lines: dict[str, int]) -> str:
    """Return files and their lines for a failure message, the longest first."""
    rows = sorted(lines.items(), key=lambda row: -row[1])
    return "\n".join([f"{sum(lines.values())} in all", *(f"{count:5} {name}" for name, count in rows)])


def test_a_default_worker_has_few_files(services: Services) -> None:
    workspace = services.worker.parents[1]
    files = sorted(str(path.relative_to(workspace)) for path in workspace.rglob("*") if path.is_file())

    assert len(files) <= FILES, "\n".join(files)
    assert len(source.python_files(services.worker / "src")) <= PYTHON_FILES


def test_a_default_worker_loads_little_and_only_its_own_files(services: Services, tmp_path: Path) -> None:
    loaded, hook = tmp_path / "loaded", tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(ON_EXIT)
    with NatsServer(tmp_path / "nats") as server:
        settings = {"NATS_URL": server.url, "PYTHONPATH": str(hook), "LOADED": str(loaded)}
        with GeneratedService(
            services.worker, python=sys.executable, log_folder=tmp_path, settings=settings
        ) as running:
            wait_ready(running)
            running.get("/metrics")
            running.stats()

    paths = {Path(line).resolve() for line in loaded.read_text().splitlines()}
    code = template_code(services.worker)
    lines = {name: count for name, count in code.items() if (services.worker / name).resolve() in paths}

    assert "src/infrastructure/consul_client.py" in lines  # so the hook works, and Consul counts
    assert set(code) - set(lines) == {"src/utils/health_check.py"}, "all but the image's health check is loaded"
    assert sum(lines.values()) <= LOADED_LINES, table(lines)


def test_a_service_with_everything_is_of_bounded_size(services: Services) -> None:
    lines = {name: count for name, count in template_code(services.full).items() if "/telemetry/" not in name}

    assert packages.found(services.full) == packages.BY_NAME.keys()
    assert sum(lines.values()) <= ALL_LINES, table(lines)


@pytest.mark.parametrize("name", PACKAGE_LINES)
def test_a_package_keeps_to_its_budget(name: str) -> None:
    files = [path for path in source.python_files(source.SERVICE / "src") if name in packages_of(path)]
    lines = {str(path.relative_to(source.SERVICE)): source.code_lines(path) for path in files}

    assert lines
    assert sum(lines.values()) <= PACKAGE_LINES[name], table(lines)


def test_every_package_has_a_budget() -> None:
    assert PACKAGE_LINES.keys() | DEPLOY_LINES.keys() == packages.BY_NAME.keys()


def test_deployment_files_keep_to_their_budgets(services: Services) -> None:
    for name, limit in DEPLOY_LINES.items():
        files = [path for path in (services.full / "deploy" / name).rglob("*") if path.is_file()]
        assert sum(len(path.read_text().splitlines()) for path in files) <= limit, name


def packages_of(path: Path) -> tuple[str, ...]:
    """Return the packages that a file of the template belongs to; none for the core's."""
    return packages.of_path(PurePosixPath(path.relative_to(source.SERVICE).as_posix()))


def test_no_file_of_the_template_is_long(services: Services) -> None:
    files = [*source.python_files(source.SERVICE), *source.python_files(services.full)]
    long = {path.name: count for path in files if (count := source.code_lines(path)) > FILE_LINES}

    assert not long


def test_no_modules_import_each_other() -> None:
    assert source.cycles(source.imports()) == []


def test_the_core_imports_no_package() -> None:
    """Apart from what `load_package` and `import_module` load if it is needed."""
    files = {source.module_of(path): packages_of(path) for path in source.python_files(source.SERVICE / "src")}
    wrong = [
        f"{name} imports {other}"
        for name, others in source.imports(loaders=False).items()
        for other in others
        if not files[name] and files[other]
    ]

    assert not wrong


def test_cycles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set[str]()}

    assert source.cycles(graph) == [["a", "b", "c"]]


def test_readmes_are_short(services: Services) -> None:
    for service in (services.worker, services.full):
        assert len((service / "README.md").read_text().splitlines()) <= README_LINES
