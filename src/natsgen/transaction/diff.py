"""Diffs that `git apply` accepts."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from natsgen.files.tree import File, Tree


def unified(before: Tree, after: Tree) -> str:
    """Return the unified diff from one tree to another, sorted by path, without equal files."""
    parts: list[str] = []
    for path in sorted({*before, *after}):
        old, new = before.get(path), after.get(path)
        if old != new:
            parts.extend(_file(path, old, new))
    return "".join(parts)


def _file(path: PurePosixPath, old: File | None, new: File | None) -> Iterator[str]:
    yield f"diff --git a/{path} b/{path}\n"
    yield from _modes(old, new)
    try:
        old_lines, new_lines = _lines(old), _lines(new)
    except UnicodeDecodeError:
        yield f"Binary files a/{path} and b/{path} differ\n"
        return
    names = (f"a/{path}" if old else "/dev/null", f"b/{path}" if new else "/dev/null")
    for number, line in enumerate(difflib.unified_diff(old_lines, new_lines, *names, lineterm="\n")):
        is_header = number < 2
        yield line if is_header or line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _modes(old: File | None, new: File | None) -> Iterator[str]:
    if old is None and new is not None:
        yield f"new file mode {_mode(new)}\n"
    elif new is None and old is not None:
        yield f"deleted file mode {_mode(old)}\n"
    elif old is not None and new is not None and old.executable != new.executable:
        yield f"old mode {_mode(old)}\nnew mode {_mode(new)}\n"


def _mode(file: File) -> str:
    return "100755" if file.executable else "100644"


def _lines(file: File | None) -> list[str]:
    # Only "\n" ends a line here: str.splitlines would also cut at form feeds and Unicode separators.
    return re.findall(r"[^\n]*\n|[^\n]+", file.content.decode()) if file else []
