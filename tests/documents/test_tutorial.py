"""docs/tutorial.md shows the files and the commands of examples/order-to-invoice, which tests/examples runs."""

from __future__ import annotations

import runpy
import threading
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.documents.blocks import Block, read_blocks

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/order-to-invoice"
BLOCKS = read_blocks(ROOT, "docs/tutorial.md")
FILES = [file.read_text() for file in EXAMPLE.rglob("*") if file.is_file()]


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.language != "sh"], ids=lambda block: block.name)
def test_code_that_is_shown_is_the_examples(block: Block) -> None:
    assert any(block.text in file for file in FILES)
    if block.place.startswith(("src/", "tests/")):
        assert (EXAMPLE / "owner/services/billing" / block.place).read_text() == block.text


def test_it_is_built_as_the_example_is() -> None:
    typed = {command for block in BLOCKS if block.language == "sh" for command in block.commands}
    build = (EXAMPLE / "build.sh").read_text().replace("$natsgen", "natsgen").replace(" --workspace . --no-input", "")
    shown = [line for line in build.splitlines() if line.startswith(("natsgen ", "uv "))]
    assert len(shown) == 3
    assert typed.issuperset(shown)


def test_the_warehouse_reserves() -> None:
    warehouse = runpy.run_path(str(EXAMPLE / "warehouse.py"))["Warehouse"]
    with ThreadingHTTPServer(("127.0.0.1", 0), warehouse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection = HTTPConnection("127.0.0.1", server.server_port, timeout=20)
        connection.request("PUT", "/reservations/1", body="{}")
        assert connection.getresponse().status == 200
        connection.close()
        server.shutdown()
