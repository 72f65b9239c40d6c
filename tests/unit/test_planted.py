"""What `make planted` says of a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.planted import __main__ as planted
from tests.planted.faults import Fault

CAUGHT = "def test_it():\n    from module import NUMBER\n    assert NUMBER == 1\n"
MISSED = "def test_it():\n    import module\n"
ENDLESS = "def test_it():\n    import module\n    while module.NUMBER == 2:\n        pass\n"


@pytest.mark.parametrize(
    ("test", "old", "said"),
    [
        (CAUGHT, "NUMBER = 1", planted.CAUGHT),
        (MISSED, "NUMBER = 1", planted.NOT_CAUGHT),
        (CAUGHT, "NUMBER = 3", planted.STALE),
        (ENDLESS, "NUMBER = 1", planted.NOT_DECIDED),
    ],
)
def test_a_fault_is_caught_only_if_a_test_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test: str, old: str, said: str
) -> None:
    if said == planted.NOT_DECIDED:
        monkeypatch.setattr(planted, "LIMIT", 2.0)
    (tmp_path / "module.py").write_text("NUMBER = 1\n")
    (tmp_path / "test_module.py").write_text(test)

    assert planted.outcome(Fault("module.py", old, "NUMBER = 2", ("test_module.py",)), tmp_path) == said
    assert (tmp_path / "module.py").read_text() == "NUMBER = 1\n"
