"""What the unit tests share."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def sample_event() -> dict[str, Any]:
    """An event as it travels; a test sets `type` and `data` as it needs them."""
    return {
        "id": "evt_123",
        "type": "context.aggregate.event",
        "timestamp": "2024-01-15T10:00:00Z",
        "aggregateId": "agg_456",
        "data": {"field1": "value1"},
    }
