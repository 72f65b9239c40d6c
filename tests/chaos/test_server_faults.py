"""The NATS server, and the way to it."""

from __future__ import annotations

import pytest

from tests.chaos.conftest import Prove, each
from tests.chaos.rows import SERVER, Row


@pytest.mark.parametrize("row", each(SERVER))
def test_nothing_is_lost_and_every_promise_holds(row: Row, prove: Prove) -> None:
    assert prove(row).broken == []
