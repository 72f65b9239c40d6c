"""What an owner adds beside the compose file is in the container, without an edit of a file of the template."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.template.test_budgets import WORKER

OVERRIDE = """
services:
  billing:
    environment: {WAREHOUSE_URL: http://warehouse, NATS_URL: nats://mine}
    volumes: ["data:/data"]
    depends_on: [database]
"""
OWN_INFRASTRUCTURE = """
services:
  database: {image: postgres:18}
volumes: {data: {}}
"""

pytestmark = pytest.mark.docker


@pytest.fixture
def compose(tmp_path: Path) -> Path:
    """The folder of the compose files of a new workspace."""
    command = [sys.executable, "-m", "natsgen", "new", *WORKER, "--workspace", str(tmp_path), "--no-input"]
    subprocess.run(command, check=True, capture_output=True)
    return tmp_path / "compose"


def config(compose: Path) -> Any:
    """What plain Compose makes of the service's file."""
    command = ["docker", "compose", "-f", compose / "billing.yml", "config"]
    return yaml.safe_load(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


def test_a_new_service_needs_no_file_of_the_owner(compose: Path) -> None:
    service = config(compose)["services"]["billing"]

    assert (service["read_only"], service["tmpfs"]) == (True, ["/tmp"])
    assert "volumes" not in service


def test_own_settings_are_in_an_own_file(compose: Path) -> None:
    (compose / "billing.env").write_text("WAREHOUSE_URL=http://warehouse\nNATS_URL=nats://mine\n")

    environment = config(compose)["services"]["billing"]["environment"]

    assert environment["WAREHOUSE_URL"] == "http://warehouse"
    assert environment["NATS_URL"] == "nats://nats:4222"


def test_the_owner_adds_to_the_container(compose: Path) -> None:
    (compose / "billing.override.yml").write_text(OVERRIDE)
    shared = yaml.safe_load((compose / "infrastructure.yml").read_text())
    own = yaml.safe_load(OWN_INFRASTRUCTURE)
    shared["services"] |= own["services"]
    shared["volumes"] |= own["volumes"]
    (compose / "infrastructure.yml").write_text(yaml.safe_dump(shared))

    service = config(compose)["services"]["billing"]

    assert service["environment"]["WAREHOUSE_URL"] == "http://warehouse"
    assert service["environment"]["NATS_URL"] == "nats://nats:4222"
    assert [(volume["source"], volume["target"]) for volume in service["volumes"]] == [("data", "/data")]
    assert service["depends_on"].keys() == {"nats", "consul", "database"}
