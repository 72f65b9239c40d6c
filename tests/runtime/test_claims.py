"""What a delivery does with the inbox's answers, and with a handler that cancels itself: no server is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from src.inbox import StoredInbox
from src.inbox.handler_inbox import Claim
from src.inbox.settings import InboxSettings
from src.infrastructure.delivery import Delivery, Inbox
from src.infrastructure.message import ACK, NAK, Message
from src.infrastructure.message_buffer import MessageBuffer
from src.infrastructure.subscription import Subscription
from tests.runtime.conftest import NoServer


class Answering:
    """A store that answers each claim alike."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim

    async def claim(self, claims: Mapping[str, None], lease: float) -> list[tuple[Claim, None]]:
        return [(self._claim, None) for _ in claims]


async def nothing(*_: Any, **__: Any) -> None: ...


async def unwanted(event: dict[str, Any]) -> None:
    raise AssertionError("the handler was called")


def delivery_of(function: Any, inbox: Inbox | None) -> Delivery:
    attempts: Any = SimpleNamespace(uncount=nothing, start=nothing, end=nothing)
    letters: Any = SimpleNamespace()
    delivery = Delivery(Subscription("billing", "orders.>", function), attempts, letters, inbox)
    delivery.buffer = MessageBuffer()
    return delivery


@pytest.mark.parametrize(("claim", "answer"), [(Claim.HELD, NAK), (Claim.DONE, ACK)])
async def test_a_message_of_another_worker_comes_again_and_a_handled_one_does_not(
    claim: Claim, answer: bytes, message: Message, no_server: NoServer
) -> None:
    message._raw.data = message.data = b"{}"

    nats: Any = SimpleNamespace(finishing=set())
    delivery = delivery_of(unwanted, StoredInbox(Answering(claim), InboxSettings(), nats).of)  # type: ignore[arg-type]
    delivery.buffer.running.add(message)

    await delivery.deliver(message)

    assert [said.split(b" ")[0] for said in no_server.answered] == [answer]


async def test_a_handler_that_cancels_itself_has_failed_and_its_task_goes_on() -> None:
    async def cancels(event: dict[str, Any]) -> None:
        task = asyncio.current_task()
        assert task
        task.cancel()
        await asyncio.sleep(1)

    failure = await delivery_of(cancels, None).handle({}, None, ())

    assert isinstance(failure, asyncio.CancelledError)
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
