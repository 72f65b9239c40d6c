"""Writes an invoice for each order, tells the warehouse, and says so."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import httpx
from pydantic import BaseModel

from src.domain.events import Event
from src.domain.resources import Resources
from src.infrastructure.errors import Reject, Retry
from src.infrastructure.message import Message
from src.infrastructure.subscription import Backoff, subscriber
from src.utils.logging import logger

INVOICE_CREATED = "billing.invoice.created"


class OrderCreated(BaseModel):
    """The event's `data`."""

    amount: Decimal


@subscriber("orders.order.created", publishes=[INVOICE_CREATED], max_attempts=8, backoff=Backoff(initial=0.5))
async def handle_order_created(event: Event[OrderCreated], message: Message, resources: Resources) -> None:
    """Handle an order."""
    if event.data.amount < 0:
        raise Reject("the amount is negative")
    await asyncio.to_thread(resources.invoices.write, event.id, event.aggregate_id, event.data.amount)
    await _reserve(resources.warehouse, event)
    created = Event.new(INVOICE_CREATED, event.aggregate_id, {"amount": event.data.amount})
    await message.publish(INVOICE_CREATED, created)
    logger.info("invoice created", order=event.aggregate_id)


async def _reserve(warehouse: httpx.AsyncClient, event: Event[OrderCreated]) -> None:
    """Tell the warehouse, which knows events that come again by their id.

    Raises:
        Retry: it is too busy, and says when to try again.
        Reject: it refuses.
        httpx.HTTPError: it cannot be reached, or failed.
    """
    answer = await warehouse.put(f"/reservations/{event.id}", json={"order": event.aggregate_id})
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise Retry("the warehouse is busy", after=float(answer.headers.get("Retry-After", "5")))
    if answer.status_code == httpx.codes.CONFLICT:
        raise Reject("the warehouse has nothing left")
    answer.raise_for_status()
