"""Passwords, tokens, keys, certificates and permissions that change."""

from __future__ import annotations

import pytest

from tests.chaos.conftest import Prove, each
from tests.chaos.rows import ACCESS, Row


@pytest.mark.parametrize("row", each(ACCESS))
def test_nothing_is_lost_and_every_promise_holds(row: Row, prove: Prove) -> None:
    assert prove(row).broken == []
