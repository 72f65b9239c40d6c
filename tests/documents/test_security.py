"""SECURITY.md names tests that are there, for every row of its threat model."""

from __future__ import annotations

from tests.documents.test_features import NODE, ROOT, functions_in

ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in (ROOT / "SECURITY.md").read_text().splitlines()
    if line.startswith("| ") and not line.endswith("| tests |")
]


def test_every_threat_has_tests_that_are_there() -> None:
    assert len(ROWS) > 30
    for threat, _, tests in ROWS:
        named = NODE.findall(tests)
        assert named, threat
        assert all(name in functions_in(ROOT / file) for file, name in named), threat
