"""Payloads that are kept apart from their letters, on a real server."""

from __future__ import annotations

import asyncio

import pytest

from src.config import Settings
from src.infrastructure.handling.large_payloads import LargePayloads
from src.infrastructure.nats_client import NatsClient

WHOLE = bytes(range(256)) * 2_000  # four parts


@pytest.mark.parametrize("payload", [WHOLE, b""], ids=["in parts", "empty"])
async def test_a_payload_comes_back_as_it_was(client: NatsClient, service_settings: Settings, payload: bytes) -> None:
    payloads = LargePayloads(client, service_settings)

    await payloads.put("a", payload)
    await payloads.put("b", b"another")

    assert (await payloads.get("a"), await payloads.get("b")) == (payload, b"another")


async def test_a_payload_whose_parts_are_gone_is_none_and_holds_nobody_up(
    client: NatsClient, service_settings: Settings
) -> None:
    payloads = LargePayloads(client, service_settings)
    await payloads.put("a", WHOLE)

    await client.jetstream.purge_stream("OBJ_dlq", subject="$O.dlq.C.>", keep=2)

    async with asyncio.timeout(5):
        assert await payloads.get("a") is None
    assert await payloads.get("never put") is None
