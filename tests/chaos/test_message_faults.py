"""Events that are poison, slow or large, handlers that raise, and a stream of dead letters that is not there."""

from __future__ import annotations

import pytest

from tests.chaos.conftest import Prove, each
from tests.chaos.rows import MESSAGES, Row


@pytest.mark.parametrize("row", each(MESSAGES))
def test_nothing_is_lost_and_every_promise_holds(row: Row, prove: Prove) -> None:
    assert prove(row).broken == []
