from __future__ import annotations

from pathlib import PurePosixPath

from natsgen.files.tree import File
from natsgen.transaction.change import Change

A, B, C = (PurePosixPath(name) for name in "abc")
CHANGE = Change(before={A: File(b"1\n"), B: File(b"2\n")}, after={B: File(b"3\n"), C: File(b"4\n")})


def test_what_is_only_before_goes_only_after_comes_and_in_both_is_replaced() -> None:
    assert (CHANGE.removed, CHANGE.added, CHANGE.replaced) == ((A,), (C,), (B,))


def test_its_diff_has_all_three() -> None:
    lines = CHANGE.diff().splitlines()
    assert [line for line in lines if line.startswith(("-1", "-2", "+3", "+4"))] == ["-1", "-2", "+3", "+4"]
