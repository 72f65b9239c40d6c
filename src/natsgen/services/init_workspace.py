"""Creates a workspace's natsgen.toml, and completes its .gitignore."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

from natsgen.answers import workspace_defaults
from natsgen.answers.questions import Questionnaire
from natsgen.errors import ConflictError
from natsgen.files import reading, tree
from natsgen.files.tree import File, Tree
from natsgen.files.workspace import MARKER, Workspace
from natsgen.services.writer import Writer
from natsgen.transaction.change import Change

IGNORED = (".env", ".venv/", "__pycache__/", ".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".natsgen/")
"""Files that services and natsgen create while they run; `.env` may contain secrets."""

SETTINGS = PurePosixPath(MARKER)
_GITIGNORE = PurePosixPath(".gitignore")


def init_workspace(writer: Writer, questionnaire: Questionnaire, extra: Tree | None = None) -> Change:
    """Write natsgen.toml and the missing lines of `.gitignore`, atomically.

    If natsgen.toml exists, this writes only the `extra` files.

    Args:
        writer: changes the workspace.
        questionnaire: the template's questions.
        extra: more files to write, by their path in the workspace.

    Raises:
        ConflictError: natsgen.toml exists, and there is nothing else to write; or one of the other files exists.
        NatsgenError: the command failed; the workspace is as before.
    """
    workspace = writer.workspace
    with writer.session():
        is_initialized = os.path.lexists(workspace.root / MARKER)
        if is_initialized and not extra:
            raise ConflictError(f"{workspace.root / MARKER} exists already: edit it, or remove it first")
        change = Change() if is_initialized else _change(workspace, questionnaire)
        change = replace(change, after={**change.after, **_missing(workspace, extra or {})})
        writer.write(change, "init")
    return change


def with_ignored(content: bytes) -> bytes:
    """Return the content of a .gitignore with the missing entries of `IGNORED` appended."""
    there = {_bare(line) for line in content.decode("utf-8", errors="replace").splitlines()}
    missing = [entry for entry in IGNORED if _bare(entry) not in there]
    end = b"\r\n" if b"\r\n" in content else b"\n"
    gap = b"" if not content or content.endswith(b"\n") or not missing else end
    return content + gap + b"".join(entry.encode() + end for entry in missing)


def _missing(workspace: Workspace, extra: Tree) -> Tree:
    """Return the files that do not exist with this content; all of them if none is missing."""
    missing = {path: file for path, file in extra.items() if not _is_there(workspace.root / path, file)}
    return missing or extra


def _is_there(target: Path, file: File) -> bool:
    return reading.is_regular(target) and reading.read_bytes(target) == file.content


def _change(workspace: Workspace, questionnaire: Questionnaire) -> Change:
    settings = File(workspace_defaults.new_document(questionnaire, workspace.root).encode())
    before = tree.read_files(workspace, [_GITIGNORE])
    found = before.get(_GITIGNORE, File(b""))
    after = {_GITIGNORE: File(with_ignored(found.content), found.executable)}
    return Change(after={SETTINGS: settings}) if after == before else Change(before, {**after, SETTINGS: settings})


def _bare(line: str) -> str:
    """Return the path in a line of a .gitignore, whether the line ignores it or, with `!`, includes it."""
    return line.strip().removeprefix("!").removeprefix("**/").rstrip("/")
