"""What natsgen generates for answers of every kind, beside what `natsgen smoke` checks of every service."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import copier
import pytest
import yaml

from natsgen.cli import main
from natsgen.harness.commands import run
from natsgen.harness.environment import environment_for

SHORT, LONG = 60.0, 600.0  # seconds

ACTIONS = "{greet: {}, greet_v2: {action: greet, version: 2, queue: false, concurrency: 3, timeout: 0.5}}"
HANDLERS = "{order_created: orders.order.created, all: {subject: orders.>, batch: true}}"
PUBLISHERS = json.dumps(
    {"a" * 64: {"subject": f"{'s' * 120}.{'t' * 120}", "interval": 0.001, "core": True}, "b": "a.b"}
)
SUBSCRIBERS = json.dumps(
    {"a" * 64: {"subject": "s" * 100, "queue_group": "g" * 128}, "b": {"subject": "a.*", "queue_group": ""}}
)
LONGEST = json.dumps(
    {
        "b" * 64: {"method": "PATCH", "path": f"/{{{'p' * 40}}}" + "/e" * 60, "call": ".".join(["t" * 50] * 5)},
        "c" * 64: {"method": "DELETE", "path": f"/{{{'q' * 40}}}/{'s' * 150}", "publish": "u" * 255},
    }
)
LONGEST_TASK = {"queue": "q" * 64, "priority": "high", "concurrency": 10_000, "timeout": 604_800, "max_attempts": 9_999}
TASKS = json.dumps({"t" * 64: LONGEST_TASK, "s" * 20: LONGEST_TASK})
ANSWERS: dict[str, list[str]] = {
    "defaults": ["billing", "--subject", "orders.order.created"],
    "redis": [
        *("order-billing-2", "--subject", "orders.order.created", "--subject", "orders.order.*"),
        *("--subject", "invoices.>", "--dedup", "redis", "--python", "3.11", "--network", "company_net"),
    ],
    "hostile": [
        *("audit", "--subject", "Orders.Order-Item.createdNow", "--dedup", "nats-kv", "--python", "3.14"),
        *(
            "--description",
            """He said "it's" \\n {{ 7*7 }} ${HOME} $(id) `id` <b> # : - 'x' \u00e9\U0001f600 %s {% raw %}""",
        ),
    ],
    "longest": [
        *("a" * 48, "--subject", f"{'c' * 60}.{'d' * 31}.{'e' * 32}", "--action", "f" * 64),
        *("--data", f"tasks={TASKS}"),
    ],
    "actions": ["greeter", "--action", "greet", "--action", "leave", "--version", "2"],
    "fastapi": [
        *("web", "--framework", "fastapi", "--route", "POST /greet=v1.greeter.greet", "--route", "GET /=v1.home.show"),
        *("--route", "PUT /a/{b}/c/{id}=publish:orders.order.changed", "--route", "GET /log=publish:log.page.seen"),
        *("--action", "greet", "--subject", "orders.order.created", "--dedup", "redis"),
    ],
    "django": [
        *("web", "--framework", "django", "--route", "POST /greet=v1.greeter.greet", "--route", "GET /=v1.home.show"),
        *("--route", "DELETE /a/{b}/c/{id}=v1.a.remove", "--route", "POST /log=publish:log.page.seen"),
        *("--python", "3.11"),
    ],
    "tasks": ["mailer", "--queue", "emails", "--queue", "reports=build_report", "--dedup", "nats-kv"],
    "bare": ["web", "--framework", "fastapi"],
    "longest-fastapi": ["a" * 48, "--framework", "fastapi", "--data", f"routes={LONGEST}"],
    "longest-django": ["a" * 48, "--framework", "django", "--data", f"routes={LONGEST}"],
    "publisher": [
        *("beat", "--subject", "events.test", "--subject", f"{'c' * 60}.{'d' * 63}", "--interval", "0.5", "--core"),
        *("--envelope", "message", "--image", "alpine"),
    ],
    "subscriber": ["ear", "--subject", "events.>", "--subject", "other.*.test", "--queue-group", "workers"],
    "clouds": [
        *("clouds", "--subject", "orders.order.created", "--envelope", "cloudevents", "--data"),
        *(f"publishers={PUBLISHERS}", "--data", f"subscribers={SUBSCRIBERS}", "--data", f"handlers={HANDLERS}"),
    ],
    "both": ["quotes", "--subject", "orders.order.created", "--data", f"actions={ACTIONS}"],
}
CORE = ("hostile", "django", "clouds")
"""What the short run has of them: handlers, routes, publishers and subscribers, and texts that nothing may read."""

COMPOSED = ("redis", "hostile", "longest", "fastapi", "publisher")
"""Those whose compose files differ."""

BEYOND_SMOKE = {"bare": "tests/", "longest-fastapi": "tests/routes/", "longest-django": "tests/routes/"}
"""Answers that no service of `natsgen smoke --matrix quick` has, with the tests that are about what differs."""


def command_for(answers: str) -> list[str]:
    """What follows `natsgen` to make the service of one of `ANSWERS`."""
    arguments = ANSWERS[answers]
    kind = answers if answers in ("publisher", "subscriber") else "worker"
    return ["new", "gateway" if "--framework" in arguments else kind, *arguments]


@dataclass(frozen=True)
class Rendered:
    """A workspace with one service."""

    workspace: Path
    name: str
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", self.workspace / "services" / self.name)


KINDS = [pytest.param(kind, marks=[] if kind in CORE else pytest.mark.slow) for kind in ANSWERS]


@pytest.fixture(scope="module", params=KINDS)
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    arguments = ANSWERS[request.param]
    workspace = tmp_path_factory.mktemp(request.param)
    assert main([*command_for(request.param), "--workspace", str(workspace), "--no-input"]) == 0
    return Rendered(workspace, arguments[0])


@pytest.mark.slow  # the short run has their routes in test_extremes.py, all of them in one run of ruff
@pytest.mark.parametrize(("rendered", "tests"), BEYOND_SMOKE.items(), indirect=["rendered"])
def test_gateways_with_the_longest_routes_and_with_none_pass_their_own_gates(rendered: Rendered, tests: str) -> None:
    python = environment_for(rendered.folder / "requirements-dev.txt")
    for words in (["ruff", "check", "--no-cache", "."], ["ruff", "format", "--no-cache", "--check", "."]):
        run([python, "-m", *words], limit=LONG, folder=rendered.folder)
    assert "skipped" not in run([python, "-m", "pytest", tests], limit=LONG, folder=rendered.folder).output


def test_every_yaml_file_parses_and_names_no_version(rendered: Rendered) -> None:
    for file in (rendered.workspace / "compose").iterdir():
        document = yaml.safe_load(file.read_text())
        assert "version" not in document
        if not file.name.endswith(".override.yml"):
            assert document["name"] == rendered.workspace.name.lower()


@pytest.mark.docker
@pytest.mark.parametrize("rendered", COMPOSED, indirect=True)
def test_docker_compose_accepts_it_and_gives_more_time_to_stop_than_the_worker_takes(rendered: Rendered) -> None:
    file = rendered.workspace / "compose" / f"{rendered.name}.yml"
    text = run(["docker", "compose", "-f", file, "config"], limit=SHORT).output

    config = yaml.safe_load(text)
    service = config["services"][rendered.name]
    assert float(service["stop_grace_period"].removesuffix("s")) > float(
        service["environment"]["GRACEFUL_SHUTDOWN_TIMEOUT"]
    )
    assert {name: need["condition"] for name, need in service["depends_on"].items()} == dict.fromkeys(
        service["depends_on"], "service_healthy"
    )
    assert {"nats", "consul"} <= service["depends_on"].keys()
    network = config["networks"]["default"]
    expected = "company_net" if rendered.name == "order-billing-2" else rendered.workspace.name.lower()
    assert network["name"] == expected
    assert bool(network.get("external")) == (expected == "company_net")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the template without git, as it is now."""
    folder = tmp_path_factory.mktemp("template")
    repository = Path(__file__).resolve().parents[2]
    shutil.copy(repository / "copier.yml", folder)
    for name in ("template", "includes"):
        shutil.copytree(repository / name, folder / name)
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Jinja, about escapes in the template
def test_plain_copier_makes_the_same_tree(rendered: Rendered, template: Path, tmp_path: Path) -> None:
    answers = rendered.folder / ".copier-answers.yml"
    data = {k: v for k, v in yaml.safe_load(answers.read_text()).items() if not k.startswith("_")}

    copier.run_copy(str(template), tmp_path / "plain", data=data, defaults=True, quiet=True)

    assert files_in(tmp_path / "plain") == files_in(rendered.workspace)


@pytest.mark.slow
def test_wall_9_enter_on_every_question_of_plain_copier_makes_a_working_service(template: Path, tmp_path: Path) -> None:
    """Review, wall 9: Enter, Enter, and a traceback of forty lines."""
    copier = shutil.which("copier", path=str(Path(sys.executable).parent))
    assert copier is not None
    press_enter([copier, "copy", str(template), str(tmp_path / "plain")], limit=120)

    service = tmp_path / "plain/services/billing"
    assert " passed" in run([sys.executable, "-m", "pytest", "-q"], limit=SHORT, folder=service).output


def press_enter(command: list[str], limit: float) -> None:
    """Run a command in a terminal, in which somebody presses Enter whenever it says nothing more."""
    here, there = pty.openpty()
    with subprocess.Popen(command, stdin=there, stdout=there, stderr=there, start_new_session=True) as process:
        os.close(there)
        deadline, said = time.monotonic() + limit, b""
        while process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
                pytest.fail(said.decode(errors="replace"))
            readable, _, _ = select.select([here], [], [], 0.5)
            if not readable:
                os.write(here, b"\r")
                continue
            try:
                said += os.read(here, 65536)
            except OSError:  # how Linux tells the end of a terminal
                break
        process.wait(timeout=10)
    os.close(here)
    assert process.returncode == 0, said.decode(errors="replace")


def files_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and mode of every generated file, without what names the template's source and what tools leave."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and not any(part.startswith((".mypy", ".pytest", "__pycache__")) for part in path.parts):
            lines = path.read_bytes().splitlines(keepends=True)
            content = b"".join(line for line in lines if not line.startswith((b"_src_path:", b"_commit:")))
            found[str(path.relative_to(folder))] = (content, path.stat().st_mode & 0o777)
    return found
