"""docs/toolkit.md as it stands: its files are files of a service, and its lines run inside of that service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from natsgen.harness.nats_server import NatsServer
from tests.documents.blocks import Block, read_blocks
from tests.documents.conftest import is_as_documented, natsgen, put_files, run_inside

BLOCKS = read_blocks(Path(__file__).parents[2], "docs/toolkit.md")
LINES = [block for block in BLOCKS if not block.place]

Said = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, server: NatsServer) -> Said:
    """What each block printed; `stats` is what the service counted meanwhile."""
    workspace = tmp_path_factory.mktemp("workspace")
    extras = "batches,kv,messages,objects,streams,sync,tenancy"
    natsgen(workspace, "new", "worker", "billing", "--subject", "orders.order.created", "--with", extras)
    natsgen(workspace, "add-task", "billing", "send_email", "--queue", "emails")
    natsgen(workspace, "add-publisher", "billing", "events.heart.beat")
    natsgen(workspace, "add-subscriber", "billing", "events.heart.beat")
    service = workspace / "services/billing"
    return run_inside(service, put_files(BLOCKS, service), server)


@pytest.mark.parametrize("block", LINES, ids=lambda block: block.name)
def test_the_lines_do_what_they_say(block: Block, said: Said) -> None:
    is_as_documented(block, said[block.name])


def test_the_files_work_as_parts_of_the_service(said: Said) -> None:
    counted = json.loads(said["stats"]["printed"])
    tasks = {name: row["handled"] for name, row in counted["subscriptions"].items()}
    [published], [heard] = counted["publishers"], counted["subscribers"]

    assert tasks["send_email"] == 2  # the third waits for its minute
    assert tasks["clean_up"] >= 1
    assert (published["publisher"], published["subject"]) == ("heart_beat", "events.heart.beat")
    assert (heard["subscriber"], heard["queue_group"]) == ("heart_beat", "doctors")
    assert heard["heard"] >= 1
