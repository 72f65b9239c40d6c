"""Files and YAML that are not what they should be: refused in one line, or plain data in a tree that parses."""

from __future__ import annotations

import pytest

from tests.hostile.cases import NEW_WORKER, Case
from tests.hostile.checks import check_new, ids
from tests.hostile.places import Place


@pytest.mark.parametrize("case", NEW_WORKER, ids=ids(NEW_WORKER))
def test_a_new_worker_is_refused_or_holds_what_was_typed(case: Case, place: Place, harmless: Place) -> None:
    check_new(case, place, harmless)
