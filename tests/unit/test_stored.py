from __future__ import annotations

import pytest

from natsgen.answers import answers_file


@pytest.mark.parametrize(
    ("commit", "than", "newer"),
    [
        ("v0.2.0", "v0.1.9", True),
        ("v0.10.0", "v0.9.0", True),
        ("v0.1.0", "v0.1.0", False),
        ("v0.1.0", "0.2.0", False),
        ("v0.1.0", "", None),
        ("v0.1.0", "v0.1.0-3-gabcdef", None),
    ],
)
def test_versions_are_compared_by_their_numbers_where_both_are_releases(
    commit: str, than: str, newer: bool | None
) -> None:
    assert answers_file.is_newer(commit, than) is newer
