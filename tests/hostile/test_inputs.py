"""Each place that takes a text asks the rule of what is given there: one right text, a wrong one and some hostile."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.checks import check_growth, check_new
from tests.hostile.inputs import GROWTH_INPUTS, NEW_INPUTS, PROBES, Input, cases_of
from tests.hostile.places import Place, make_place


@pytest.fixture
def probes(pytestconfig: pytest.Config) -> int:
    return PROBES[pytestconfig.option.full]


@pytest.mark.parametrize(("number", "given"), list(enumerate(NEW_INPUTS)), ids=[one.name for one in NEW_INPUTS])
def test_a_new_service_is_refused_or_holds_what_was_typed(
    number: int, given: Input, probes: int, harmless: Place, tmp_path: Path
) -> None:
    taken = [
        check_new(case, make_place(tmp_path / str(trial)), harmless)
        for trial, case in enumerate(cases_of(given, number, probes))
    ]

    assert any(taken) == (given.right is not None)


@pytest.mark.parametrize(("number", "given"), list(enumerate(GROWTH_INPUTS)), ids=[one.name for one in GROWTH_INPUTS])
def test_other_commands_refuse_or_do_what_was_typed(
    number: int, given: Input, probes: int, harmless: Place, tmp_path: Path
) -> None:
    taken = [
        check_growth(case, make_place(tmp_path / str(trial), harmless))
        for trial, case in enumerate(cases_of(given, number, probes))
    ]

    assert any(taken) == (given.right is not None)
