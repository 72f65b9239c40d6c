"""Three NATS servers: leaders that step down, and servers that die."""

from __future__ import annotations

import pytest

from tests.chaos.conftest import Prove, each
from tests.chaos.rows import CLUSTER, Row


@pytest.mark.parametrize("row", each(CLUSTER))
def test_nothing_is_lost_and_every_promise_holds(row: Row, prove: Prove) -> None:
    assert prove(row).broken == []
