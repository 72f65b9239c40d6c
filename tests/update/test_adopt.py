"""`natsgen adopt`: a worker written by hand, as the reference has it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path, PurePosixPath

import pytest

from natsgen.files.workspace import Workspace
from natsgen.harness.commands import run
from natsgen.harness.environment import environment_for
from natsgen.parts.handlers import Handler
from natsgen.update import handwritten
from natsgen.update.handwritten import Registered
from tests.update import world
from tests.update.test_update import BILLING, files_of
from tests.update.world import CHECKOUT

LONG = 600.0  # seconds
REFERENCE = {
    "src/__init__.py": "",
    "src/main.py": "import asyncio\n",
    "src/config.py": """from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    SERVICE_NAME: str = "billing"
    BOUNDED_CONTEXT: str = "sales"
    NATS_URL: str = "nats://localhost:4222"
    TAX_RATE: float = 0.2


settings = Settings()
""",
    "src/domain/__init__.py": "",
    "src/domain/handlers/__init__.py": '''from src.infrastructure.nats_client import NatsClient
from src.domain.handlers.order_created_handler import handle_order_created
from src.domain.handlers.order_paid_handler import handle_paid as paid


async def register_handlers(nats: NatsClient):
    """Register all event handlers."""

    await nats.subscribe(
        subject="orders.order.created",
        handler=handle_order_created,
        durable="billing-order_created",
    )
    await nats.subscribe("orders.order.paid", paid, durable="billing-paid-events")
''',
    "src/domain/handlers/order_created_handler.py": '''from src.utils.logging import logger


async def handle_order_created(event: dict) -> None:
    """Handle it."""
    logger.info(f"Processing event {event.get('id')}")
''',
    "src/domain/handlers/order_paid_handler.py": "import json\n\n\nasync def handle_paid(event: dict) -> None:\n"
    "    json.dumps(event)\n",
    "src/infrastructure/__init__.py": "",
    "src/infrastructure/nats_client.py": "class NatsClient: ...\n",
    "src/utils/__init__.py": "",
    "src/utils/logging.py": "import logging\n\nlogger = logging.getLogger()\n",
    "tests/test_handlers.py": """import pytest
from src.domain.handlers.order_created_handler import handle_order_created


@pytest.mark.asyncio
async def test_handle_order_created_success():
    await handle_order_created({"id": "evt_123", "data": {}})
""",
    "Dockerfile": "FROM python:3.11-slim\n",
    "requirements.txt": "nats-py>=2.6.0\npython-consul>=1.1.0\nstructlog>=23.0.0\nboto3>=1\n",
}
CREATED, PAID = (BILLING / f"src/domain/handlers/order_{name}_handler.py" for name in ("created", "paid"))


@pytest.fixture
def reference(workspace: Workspace) -> Path:
    """A workspace with the reference's worker in it, committed."""
    for path, text in REFERENCE.items():
        file = workspace.root / BILLING / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    world.commit(workspace.root)
    return workspace.root


def test_the_answers_are_inferred_and_nothing_else_is_written(reference: Path) -> None:
    before = files_of(reference)
    done = json.loads(CHECKOUT.do("adopt", BILLING, "--json", cwd=reference))
    assert done["answers"]["handlers"] == {
        "order_created": "orders.order.created",
        "order_paid": {"subject": "orders.order.paid", "durable": "billing-paid-events"},
    }
    assert (done["answers"]["bounded_context"], done["answers"]["python_version"]) == ("sales", "3.11")
    assert str(BILLING / "src/main.py") in done["differing"]
    assert str(BILLING / "src/infrastructure/delivery.py") in done["missing"]
    assert done["notes"] == [
        "requirements.txt: move boto3 to pyproject.toml",
        "src/config.py: move the settings TAX_RATE to src/domain/settings.py",
    ]
    after = files_of(reference)
    assert after.pop(str(BILLING / ".copier-answers.yml"))
    assert after == before
    assert CHECKOUT.run("check", "billing", cwd=reference).returncode == 1
    assert "order_created" in CHECKOUT.do("show", "billing", cwd=reference)


def test_the_image_is_inferred_and_what_gateways_are_made_with_makes_none_of_a_worker(reference: Path) -> None:
    (reference / BILLING / "Dockerfile").write_text("FROM registry.local/python:3.12.4-alpine3.20 AS build\n")
    (reference / "natsgen.toml").write_text('[defaults]\nframework = "fastapi"\nenvelope = "message"\n')
    world.commit(reference)
    answers = json.loads(CHECKOUT.do("adopt", BILLING, "--json", cwd=reference))["answers"]
    inferred = [answers[key] for key in ("python_version", "image", "framework", "envelope")]
    assert inferred == ["3.12", "alpine", "none", "message"]


def test_replaced_it_runs_as_a_generated_one_with_its_own_handlers(reference: Path) -> None:
    said = CHECKOUT.do("adopt", BILLING, "--replace", cwd=reference)
    assert "src/config.py: add the removed settings TAX_RATE to" in said
    assert "pyproject.toml: kept boto3>=1; run natsgen lock billing to pin them" in said
    assert "Next, from here:" in said
    assert len(said.splitlines()) < 50
    assert (reference / CREATED).read_text() == (
        "from src.infrastructure.subscription import subscriber\n"
        + REFERENCE["src/domain/handlers/order_created_handler.py"].replace(
            "async def", '@subscriber("orders.order.created")\nasync def'
        )
    )
    assert (reference / PAID).read_text() == (
        "import json\nfrom src.infrastructure.subscription import subscriber\n\n\n"
        '@subscriber("orders.order.paid", durable="billing-paid-events")\n'
        "async def handle_paid(event: dict) -> None:\n    json.dumps(event)\n"
    )
    assert (reference / BILLING / "tests/test_adopted_handlers.py").read_text() == REFERENCE["tests/test_handlers.py"]
    CHECKOUT.do("check", "billing", cwd=reference)
    python = environment_for(reference / BILLING / "requirements-dev.txt")
    wanted = ["tests/test_handlers.py", "tests/test_adopted_handlers.py"]
    tests = run([python, "-m", "pytest", "-q", *wanted], limit=LONG, folder=reference / BILLING)
    assert "2 passed" in tests.output


def test_wall_8_what_is_the_services_own_is_kept(reference: Path) -> None:
    """Review, wall 8: the network, the version, the dependencies and own models were lost, without a word."""
    network = "networks:\n  shared:\n    name: company-network\n    external: true\n"
    (reference / "compose").mkdir()
    (reference / "compose/billing.yml").write_text(network)
    project = '[project]\nname = "billing"\nversion = "0.3.0"\ndependencies = ["httpx>=0.27", "nats-py>=2.6"]\n'
    (reference / BILLING / "pyproject.toml").write_text(project)
    (reference / BILLING / "src/domain/events.py").write_text("class Invoice:\n    amount: int\n")
    world.commit(reference)

    CHECKOUT.do("adopt", BILLING, cwd=reference)
    world.commit(reference)
    said = CHECKOUT.do("adopt", BILLING, "--replace", cwd=reference)  # works again after the first

    assert "src/domain/events.py: moved Invoice to src/domain/adopted_events.py; import them from there" in said
    assert (reference / BILLING / "src/domain/adopted_events.py").read_text().startswith("class Invoice")
    made = tomllib.loads((reference / BILLING / "pyproject.toml").read_text())
    assert made["project"]["version"] == "0.3.0"
    assert {"boto3>=1", "httpx>=0.27"} <= {*made["project"]["dependencies"]}
    assert 'name: "company-network"' in (reference / "compose/infrastructure.yml").read_text()
    CHECKOUT.do("check", "billing", cwd=reference)
    assert "already managed by natsgen" in CHECKOUT.run("adopt", BILLING, "--replace", cwd=reference).stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "{HANDLER}\n\nfrom other import (\n    one,\n)\n",
            "from src.infrastructure.subscription import subscriber\n{DECORATED}\n\nfrom other import (\n    one,\n)\n",
        ),
        (
            'X = """a\x0cb\u2028c"""\n\n\n{HANDLER}',
            'from src.infrastructure.subscription import subscriber\nX = """a\x0cb\u2028c"""\n\n\n{DECORATED}',
        ),
        (
            '"""Of orders."""\n\nimport json\n\nfrom src.utils.logging import (\n    logger,\n)\n\n\n'
            "@traced\n{HANDLER}",
            '"""Of orders."""\n\nimport json\n\nfrom src.infrastructure.subscription import subscriber\n'
            "from src.utils.logging import (\n    logger,\n)\n\n\n{DECORATOR}\n@traced\n{HANDLER}",
        ),
    ],
    ids=["an import below", "characters that end no line", "a decorator and a group of imports"],
)
def test_a_subscription_is_added_wherever_the_handler_stands(before: str, after: str) -> None:
    handler = "async def handle_paid(event: dict) -> None:\n    pass\n"
    decorator = '@subscriber("orders.order.paid")'
    texts = {"HANDLER": handler, "DECORATOR": decorator, "DECORATED": f"{decorator}\n{handler}"}
    registered = Registered(Handler("paid", "orders.order.paid"), "handle_paid", PurePosixPath("paid_handler.py"))
    expected = after.format(**texts)
    assert handwritten.decorated(before.format(**texts).encode(), registered).decode() == expected
    compile(expected, "paid_handler.py", "exec")


def test_a_teams_template_need_not_pin_requirements_or_have_settings(reference: Path) -> None:
    team = reference.parent / "team"
    service = team / "template/services/{{ service_name }}"
    service.mkdir(parents=True)
    (team / "copier.yml").write_text(
        "_subdirectory: template\n_answers_file: services/{{ service_name }}/.copier-answers.yml\n"
        "service_name: {type: str}\nhandlers: {type: yaml, default: {}}\nbounded_context: {type: str, default: any}\n"
        'description: {type: str, default: ""}\n'
    )
    (service / "{{ _copier_conf.answers_file.name }}.jinja").write_text("{{ _copier_answers|to_nice_yaml }}")
    (reference / "natsgen.toml").write_text('template = "../team"\n')
    world.commit(reference)
    CHECKOUT.do("adopt", BILLING, "--replace", "--dry-run", "--trust-template", cwd=reference)


def test_a_dry_run_changes_nothing(reference: Path) -> None:
    before = files_of(reference)
    assert "@subscriber" in CHECKOUT.do("adopt", BILLING, "--replace", "--dry-run", cwd=reference)
    assert files_of(reference) == before


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("notes.txt", "new", "has uncommitted changes"),
        ("src/domain/handlers/__init__.py", None, "run natsgen new and move its handlers"),
        ("src/domain/handlers/__init__.py", "", "has no call such as nats.subscribe("),
        ("src/domain/handlers/__init__.py", "def x(:", "is not valid Python"),
        ("src/domain/handlers/__init__.py", "nats.subscribe(SUBJECT, handler=x)", "use a literal subject"),
        (
            "src/domain/handlers/__init__.py",
            "from src.domain.handlers.other import x\nnats.subscribe('a.b', handler=x)",
            "move x from other.py to a file *_handler.py beside it",
        ),
        (".copier-answers.yml", "a: b", "already managed by natsgen"),
    ],
)
def test_what_cannot_be_adopted_is_told(reference: Path, path: str, text: str | None, message: str) -> None:
    if text is None:
        (reference / BILLING / path).unlink()
    else:
        (reference / BILLING / path).write_text(text)
    if "uncommitted" not in message:
        world.commit(reference)
    before = files_of(reference)
    done = CHECKOUT.run("adopt", BILLING, cwd=reference)
    assert done.returncode == 1
    assert message in done.stderr
    assert files_of(reference) == before


def test_a_folder_elsewhere_is_refused(reference: Path) -> None:
    done = CHECKOUT.run("adopt", "services", cwd=reference)
    assert done.returncode == 2
    assert "move the service there first" in done.stderr
