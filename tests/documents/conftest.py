"""What documented examples run against: one generated workspace and one server for all blocks of a document."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from natsgen.harness.commands import run
from natsgen.harness.nats_server import NatsServer
from tests.documents.blocks import Block

INSIDE = Path(__file__).with_name("inside.py")
RUN_SECONDS = 120.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


def natsgen(workspace: Path, *arguments: str) -> None:
    """Types a command of natsgen's, with this workspace."""
    command = [sys.executable, "-m", "natsgen", *arguments, "--workspace", str(workspace), "--no-input"]
    subprocess.run(command, check=True, capture_output=True)


def put_files(blocks: Sequence[Block], service: Path) -> list[Block]:
    """Writes the blocks that are files of the service; returns the others."""
    for block in blocks:
        if block.place:
            (service / block.place).write_text(block.text)
    return [block for block in blocks if not block.place]


def run_inside(
    service: Path, blocks: Sequence[Block], server: NatsServer, further: Mapping[str, str] | None = None
) -> dict[str, dict[str, str]]:
    """What blocks print inside of the service, by their names; and `stats`, the service's own at the end."""
    given, said = service / "blocks.json", service / "said.json"
    given.write_text(json.dumps({block.name: block.text for block in blocks}))
    settings = {"NATS_URL": server.url, "CONSUL_ENABLED": "false", "HOSTNAME": "documented", **(further or {})}
    run([sys.executable, INSIDE, given, said], limit=RUN_SECONDS, folder=service, environment=settings)
    told: dict[str, dict[str, str]] = json.loads(said.read_text())
    return told


def is_as_documented(block: Block, said: dict[str, str]) -> None:
    """Fails where the block did, or did not print what it says."""
    assert not said["failed"], said["failed"]
    printed = iter(said["printed"].splitlines())
    for expected in block.printed:
        assert expected in printed, f"not printed: {expected}\n\n{said['printed']}"
