"""Tests of the handler: by itself, and in the running service."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from src.domain.events import Event
from src.domain.handlers.order_created_handler import OrderCreated, handle_order_created
from src.domain.invoices import Invoices
from src.domain.resources import Resources
from src.infrastructure.errors import Reject, Retry
from src.infrastructure.message import Message
from tests.conftest import Published, RunService


@pytest.fixture
def event(sample_event: dict[str, Any]) -> Event[OrderCreated]:
    """Return an order."""
    return Event[OrderCreated].model_validate({**sample_event, "data": {"amount": "9.90"}})


def resources(folder: Path, status: int = 200) -> Resources:
    """Return resources with a new database, and a warehouse that answers with this status."""
    transport = httpx.MockTransport(lambda request: httpx.Response(status))
    client = httpx.AsyncClient(transport=transport, base_url="http://warehouse")
    return Resources(Invoices.create(folder / "invoices.db"), client)


async def test_an_order_becomes_an_invoice(
    event: Event[OrderCreated], message: Message, published: list[Published], tmp_path: Path
) -> None:
    there = resources(tmp_path)

    await handle_order_created(event, message, there)

    assert there.invoices.count() == 1
    assert [one.subject for one in published] == ["billing.invoice.created"]
    assert json.loads(published[0].data)["data"] == {"amount": "9.90"}


async def test_the_same_order_twice_is_one_invoice(
    event: Event[OrderCreated], message: Message, tmp_path: Path
) -> None:
    there = resources(tmp_path)

    await handle_order_created(event, message, there)
    await handle_order_created(event, message, there)

    assert there.invoices.count() == 1


@pytest.mark.parametrize(("status", "error"), [(503, Retry), (409, Reject), (500, httpx.HTTPStatusError)])
async def test_what_the_warehouse_answers_decides(
    status: int, error: type[Exception], event: Event[OrderCreated], message: Message, tmp_path: Path
) -> None:
    with pytest.raises(error):
        await handle_order_created(event, message, resources(tmp_path, status))


async def test_a_negative_amount_is_rejected(event: Event[OrderCreated], message: Message, tmp_path: Path) -> None:
    wrong = event.model_copy(update={"data": OrderCreated(amount=Decimal(-1))})
    with pytest.raises(Reject):
        await handle_order_created(wrong, message, resources(tmp_path))


class Warehouse(BaseHTTPRequestHandler):
    """A warehouse that reserves everything."""

    def do_PUT(self) -> None:
        """Answer a reservation."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def warehouse() -> Iterator[str]:
    """Yield the address of a warehouse."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Warehouse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_the_service_writes_calls_and_publishes(
    event: Event[OrderCreated], run_service: RunService, warehouse: str, tmp_path: Path
) -> None:
    file = tmp_path / "invoices.db"
    async with run_service(DATABASE=file, WAREHOUSE_URL=warehouse) as service:
        await service.handles("order_created", "orders.order.created", event)

        assert Invoices(file).count() == 1
        created = await service.published_on("billing.invoice.created")
        assert json.loads(created.data)["aggregateId"] == event.aggregate_id
