"""What people know from hand-written worker templates is in a generated worker, under the same names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

FILES = """
src/main.py src/config.py
src/domain/events.py src/domain/handlers/__init__.py src/domain/handlers/order_created_handler.py
src/infrastructure/nats_client.py src/infrastructure/consul_client.py
src/utils/logging.py
tests/test_handlers.py Dockerfile requirements.txt pyproject.toml .env.example
"""
REQUIREMENTS = ("nats-py", "py-consul", "pydantic", "pydantic-settings", "python-dotenv", "structlog")
SETTINGS = {
    "SERVICE_NAME": "billing",
    "BOUNDED_CONTEXT": "orders",
    "NATS_URL": "nats://localhost:4222",
    "CONSUL_HOST": "localhost",
    "CONSUL_PORT": "8500",
    "LOG_LEVEL": "DEBUG",
}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("workspace")
    command = ["new", "worker", "billing", "--subject", "orders.order.created", "--workspace", str(workspace)]
    subprocess.run([sys.executable, "-m", "natsgen", *command, "--no-input"], check=True, capture_output=True)
    return workspace / "services" / "billing"


def test_every_file_of_the_reference_is_there(worker: Path) -> None:
    assert [name for name in FILES.split() if not (worker / name).is_file()] == []
    assert (worker.parents[1] / "compose" / "billing.yml").is_file()


def test_env_example_has_every_setting_of_the_reference(worker: Path) -> None:
    lines = [line for line in (worker / ".env.example").read_text().splitlines() if not line.startswith("#")]
    assert dict(line.split("=", 1) for line in lines).items() >= SETTINGS.items()


def test_settings_of_the_reference_have_their_names_and_defaults(worker: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", f"from src.config import settings as s; print(*(getattr(s, n) for n in {[*SETTINGS]}))"],
        cwd=worker,
        env={},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert told == [*[*SETTINGS.values()][:-1], "INFO"]


def test_requirements_of_the_reference_are_pinned(worker: Path) -> None:
    pinned = re.findall(r"^([a-z-]+)(?:\[\w+\])?==\S+ .*\\\n +--hash=", (worker / "requirements.txt").read_text(), re.M)
    assert [name for name in REQUIREMENTS if name not in pinned] == []


def test_tests_of_the_reference_are_there(worker: Path) -> None:
    """A handler's success, and that it handles the same event twice; and a fixture with an event."""
    tests = (worker / "tests/handlers/test_order_created_handler.py").read_text()
    names = {node.name for node in ast.walk(ast.parse(tests)) if isinstance(node, ast.AsyncFunctionDef)}
    assert names == {
        *("test_handle_order_created_success", "test_handle_order_created_idempotent"),
        "test_order_created_is_handled_and_acked",
    }
    assert "def sample_event(" in (worker / "tests/conftest.py").read_text()
