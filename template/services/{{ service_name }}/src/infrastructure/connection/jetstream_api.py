"""Calls of the JetStream API that nats-py does not offer, and which of its refusals may be over in a moment."""

from __future__ import annotations

from typing import Any

import nats.js.errors
import orjson
from nats.aio.client import Client

TIMEOUT = 5.0  # seconds that JetStream has to answer

# no suitable peers, no leader or quorum yet, not enough resources; jsapi errors of nats-server's errors.json
PASSING = frozenset({10004, 10005, 10008, 10009, 10023, 10047})


async def ask(client: Client, subject: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
    """Calls the JetStream API.

    Args:
        client: the connection.
        subject: below `$JS.API.`.
        request: sent as JSON.

    Raises:
        nats.js.errors.APIError: the server refuses.
        nats.errors.Error: it does not answer.
    """
    payload = orjson.dumps(request) if request else b""
    answer = await client.request(f"$JS.API.{subject}", payload, timeout=TIMEOUT)
    response: dict[str, Any] = orjson.loads(answer.data)
    if "error" in response:
        raise nats.js.errors.APIError.from_error(response["error"])
    return response


def raise_if_passing(error: nats.js.errors.APIError) -> None:
    """Raises a refusal again that may be over in a moment, such as while a cluster finds its leaders."""
    if isinstance(error, nats.js.errors.ServiceUnavailableError) or error.err_code in PASSING:
        raise error
