"""The workspaces that the tool is measured in, and how they get back to what they were."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.tool_commands import Command, execute
from natsgen.files.workspace import ANSWERS_FILE
from tests.update.world import CHECKOUT, Installed

SERVICE, SUBJECT = "billing", "orders.order.created"
ADDED_SUBJECT = "orders.order.cancelled"
WORKSPACE = "shop"  # the name of its folder, which stands in the files
NEW_WORKER = ("new", "worker", SERVICE, "--subject", SUBJECT, "--workspace", ".")
ADD_HANDLER = ("add-handler", SERVICE, ADDED_SUBJECT)


def natsgen(*arguments: str) -> Command:
    """Return the command line of natsgen as this Python has it."""
    return [sys.executable, "-m", "natsgen", *arguments]


def with_one_service(workspace: Path, environment: Mapping[str, str]) -> Path:
    """Make a workspace with one service of one handler; return the service's folder."""
    workspace.mkdir()
    execute(natsgen(*NEW_WORKER), workspace, environment)
    return workspace / "services" / SERVICE


def with_handlers(workspace: Path, environment: Mapping[str, str], count: int) -> Path:
    """Make a workspace with one service of so many handlers; return the service's folder."""
    service = with_one_service(workspace, environment)
    imported = Installed(CHECKOUT.root, environment)  # whose commands do not import natsgen each
    for number in range(1, count):
        imported.do("add-handler", SERVICE, f"orders.item.event{number}", cwd=workspace)
    return service


def with_services(workspace: Path, service: Path, count: int) -> Path:
    """Make a workspace with so many copies of a service, of the files that `natsgen list` reads; return it."""
    answers = (service / ANSWERS_FILE).read_text()
    for number in range(count):
        copy = workspace / "services" / f"{SERVICE}-{number}"
        shutil.copytree(service / "src/domain", copy / "src/domain")
        (copy / ANSWERS_FILE).write_text(answers.replace(f"service_name: {SERVICE}", f"service_name: {copy.name}"))
    return workspace


def forget_added(service: Path) -> None:
    """Take back what the measured `add-handler` made."""
    (service / "src/domain/handlers/order_cancelled_handler.py").unlink()
    (service / "tests/handlers/test_order_cancelled_handler.py").unlink()


def forget_all(folder: Path) -> None:
    """Empty a folder."""
    for entry in folder.iterdir():
        shutil.rmtree(entry)
