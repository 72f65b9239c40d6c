from __future__ import annotations

import pytest

from natsgen.rendering import versions


@pytest.mark.parametrize(
    ("version", "than", "newer"),
    [
        ("v0.2.0", "v0.1.9", True),
        ("v0.10.0", "v0.9.0", True),
        ("v2.0", "v1.0", True),
        ("v0.1.0", "v0.1.0", False),
        ("v0.1.0", "0.2.0", False),
        ("v0.1.0", "", False),
        ("v0.1.0", "v0.1.0-3-gabcdef", False),
    ],
)
def test_releases_are_compared_by_their_numbers(version: str, than: str, newer: bool) -> None:
    assert versions.is_newer(version, than) is newer
