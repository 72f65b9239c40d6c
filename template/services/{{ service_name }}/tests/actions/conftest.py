"""Fixtures for the tests of actions."""

from __future__ import annotations

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from src.requests.request import Context


@pytest.fixture
def context() -> Context:
    """Return the second argument of an action."""
    return Context(Msg(_client=Client(), subject="v1.service.action", headers={"Correlation-Id": "corr_123"}), "action")
