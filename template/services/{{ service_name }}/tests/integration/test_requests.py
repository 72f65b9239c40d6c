"""Requests and their answers, on a real NATS server."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from src.infrastructure.errors import ActionError, NoResponders, RemoteError
from src.actions.action import Action, Context, action_subject
from src.requests.nats import nats
from tests.integration.conftest import RunWorker


class DoubleRequest(BaseModel):
    number: int


class DoubleResponse(BaseModel):
    double: int


async def double(request: DoubleRequest, context: Context) -> DoubleResponse:
    if request.number < 0:
        raise ActionError(409, "too small", {"least": 0})
    return DoubleResponse(double=2 * request.number)


LIMIT = 10.0  # seconds, for a busy machine
SUBJECT = "integration.double"
TESTED = Action(name="double", function=double, subject=SUBJECT)


async def test_a_call_brings_the_result(run_worker: RunWorker) -> None:
    async with run_worker(TESTED):
        response = await nats.call(SUBJECT, DoubleRequest(number=21), timeout=LIMIT, response=DoubleResponse)

    assert response == DoubleResponse(double=42)


async def test_what_is_refused_or_does_not_fit_is_raised_where_it_was_called(run_worker: RunWorker) -> None:
    async with run_worker(TESTED):
        with pytest.raises(RemoteError, match="409 too small"):
            await nats.call(SUBJECT, {"number": -1}, timeout=LIMIT)
        with pytest.raises(RemoteError, match="422"):
            await nats.call(SUBJECT, {"number": "many"}, timeout=LIMIT)
        with pytest.raises(NoResponders):
            await nats.call(action_subject("nobody", "answers"), timeout=LIMIT)
