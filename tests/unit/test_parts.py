"""Where the files of parts are, and whose they are."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from natsgen import parts
from natsgen.parts import ACTIONS, HANDLERS, ROUTES, Kind


def test_a_part_is_a_file_and_a_test() -> None:
    assert [str(path) for path in HANDLERS.paths("billing", "paid")] == [
        "services/billing/src/domain/handlers/paid_handler.py",
        "services/billing/tests/handlers/test_paid_handler.py",
    ]
    assert [str(path) for path in ACTIONS.paths("greeter", "greet")] == [
        "services/greeter/src/domain/actions/greet_action.py",
        "services/greeter/tests/actions/test_greet_action.py",
    ]
    assert [str(path) for path in ROUTES.paths("api", "greet")] == [
        "services/api/src/web/routes/greet_route.py",
        "services/api/tests/routes/test_greet_route.py",
    ]


@pytest.mark.parametrize("kind", parts.KINDS)
def test_parts_and_their_tests_are_a_persons_own(kind: Kind) -> None:
    assert parts.is_persons_own(kind.file("paid"))
    assert parts.is_persons_own(kind.test("paid"))
    for path in (kind.folder / "__init__.py", PurePosixPath("src") / f"paid{kind.suffix}", kind.tests / "__init__.py"):
        assert not parts.is_persons_own(path)
