"""What the tests of the corpus share: running a case, and whether it may have ended as it did."""

from __future__ import annotations

from tests.hostile import oracle
from tests.hostile.cases import EITHER, REFUSED, TAKEN, Case
from tests.hostile.oracle import Ran


def ids(cases: list[Case]) -> list[str]:
    return [ascii(case.name)[1:-1] for case in cases]


def is_refused(case: Case, ran: Ran) -> bool:
    """Whether the command refused; how it did, and whether it should have, is checked."""
    if ran.code != 0:
        oracle.check_refused(ran)
        assert case.outcome in (REFUSED, EITHER), ran.err
        return True
    assert case.outcome in (TAKEN, EITHER), ran.out
    return False


def with_options_first(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """`--no-input` is added at the end, where it would be a name after `--`."""
    if "--" not in arguments:
        return arguments
    where = arguments.index("--")
    return (*arguments[:where], "--no-input", *arguments[where:])
