"""Workers that are killed, restarted, or lose what stands beside NATS."""

from __future__ import annotations

import pytest

from tests.chaos.conftest import Prove, each
from tests.chaos.rows import WORKER, Row


@pytest.mark.parametrize("row", each(WORKER))
def test_nothing_is_lost_and_every_promise_holds(row: Row, prove: Prove) -> None:
    assert prove(row).broken == []
