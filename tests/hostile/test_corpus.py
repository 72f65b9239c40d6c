"""Files and YAML that are not what they should be: refused in one line, or plain data in a tree that parses."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

from tests.hostile.cases import NEW_WORKER, Case
from tests.hostile.checks import check_new
from tests.hostile.places import Place, make_place


def group_of(case: Case) -> str:
    """What is hostile: the name of a case without what is hostile about it."""
    return case.name.partition(":")[0]


GROUPS = {name: list(cases) for name, cases in groupby(sorted(NEW_WORKER, key=group_of), group_of)}


@pytest.mark.parametrize("group", GROUPS)
def test_a_new_worker_is_refused_or_holds_what_was_typed(group: str, tmp_path: Path, harmless: Place) -> None:
    wrong = {}
    for number, case in enumerate(GROUPS[group]):
        try:
            check_new(case, make_place(tmp_path / str(number)), harmless)
        except Exception as error:
            wrong[ascii(case.name)] = f"{type(error).__name__}: {error}"

    assert wrong == {}
