"""Read-only git commands: none changes the user's index, stash or refs."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from natsgen.errors import GitError

# Variables of a hook or shell that would direct git to another repository.
_OF_ANOTHER_REPOSITORY = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)

# A repository may come from anyone: run no program that it configures, and ignore bare repositories inside it.
_CAREFUL = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "protocol.ext.allow=never"),
    *("-c", "safe.bareRepository=explicit"),
)
_SECRET = re.compile(r"(?<=://)[^\s/@'\"]+@|[?][^\s'\"]*(?:token|key|secret|password)[^\s'\"]*", re.IGNORECASE)


def run(
    *arguments: str | Path, folder: Path, variables: Mapping[str, str] | None = None, fine: Sequence[int] = (0,)
) -> subprocess.CompletedProcess[bytes]:
    """Run git.

    Args:
        arguments: the arguments of `git`.
        folder: the folder to run it in.
        variables: environment variables to add to the process's own.
        fine: the exit codes that are not errors.

    Raises:
        GitError: git is not installed, or exits with another code; the message contains its standard error.
    """
    own = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_REPOSITORY}
    # take no lock that would block the user's own git commands; never prompt, because nobody may be there to answer
    settings = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **(variables or {})}
    try:
        done = subprocess.run(
            ["git", *_CAREFUL, *map(str, arguments)],
            cwd=folder,
            env={**own, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise GitError("git is not installed, and updates need it") from error
    if done.returncode not in fine:
        said = " ".join(done.stderr.decode(errors="replace").split()) or f"exit code {done.returncode}"
        command = next(word for word in map(str, arguments) if not word.startswith("-") and "=" not in word)
        raise GitError(without_secrets(f"git {command} in {folder}: {said}"))
    return done


def run_bare(
    repository: Path, *arguments: str | Path, variables: Mapping[str, str] | None = None, fine: Sequence[int] = (0,)
) -> subprocess.CompletedProcess[bytes]:
    """Run git in a bare repository, named explicitly because git otherwise ignores bare repositories.

    Raises:
        GitError: see `run`.
    """
    return run(f"--git-dir={repository}", *arguments, folder=repository, variables=variables, fine=fine)


def without_secrets(text: str) -> str:
    """Return the text without the users, passwords and tokens in its URLs."""
    return _SECRET.sub("", text)


@lru_cache(maxsize=64)
def own_folder(root: Path) -> Path:
    """Return natsgen's folder in git's own directory, for a folder in a working tree. It may not exist yet.

    Each workspace of a repository and each worktree has its own.

    Raises:
        GitError: the folder is not in a git repository, or the repository cannot be read.
    """
    said = run("rev-parse", "--path-format=absolute", "--git-path", "natsgen", "--show-prefix", folder=root).stdout
    place, inside = os.fsdecode(said).removesuffix("\n").rsplit("\n", 1)
    return Path(place, hashlib.sha256(os.fsencode(inside)).hexdigest()[:16] if inside else "root")


def uncommitted(root: Path, paths: Iterable[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """Return the files under some paths that differ from the last commit, including new files but not ignored ones.

    Args:
        root: a folder in a repository.
        paths: files and folders, relative to it.

    Returns:
        The files, relative to `root`.

    Raises:
        GitError: the folder is not in a repository, or git fails.
    """
    wanted = tuple(paths)
    if not wanted:
        return ()
    try:
        said = run("rev-parse", "--show-prefix", folder=root).stdout
    except GitError as error:
        raise GitError(
            f"{root} is not in a git repository, without which an update cannot be undone: commit it to one first "
            f"({error})"
        ) from error
    inside = PurePosixPath(os.fsdecode(said).removesuffix("\n") or ".")
    options = ("--porcelain", "--no-renames", "--untracked-files=all", "--ignore-submodules=none")
    found = [PurePosixPath(entry[3:]) for entry in _entries(root, wanted, "status", *options)]
    return tuple(path.relative_to(inside) if path.is_relative_to(inside) else path for path in found)


def tracked(root: Path, paths: Iterable[PurePosixPath]) -> frozenset[PurePosixPath]:
    """Return the files, relative to `root`, that git tracks.

    Raises:
        GitError: the folder is not in a repository, or git fails.
    """
    return frozenset(map(PurePosixPath, _entries(root, paths, "ls-files")))


def not_checked_out(root: Path, paths: Iterable[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """Return the paths that a sparse checkout leaves out: git tracks them, and they are not there.

    Args:
        root: a folder, which need not be in a repository.
        paths: files, relative to it.
    """
    absent = [path for path in paths if not os.path.lexists(root / path)]
    try:
        found = _entries(root, absent, "ls-files", "-t")
    except GitError:
        return ()
    return tuple(PurePosixPath(entry[2:]) for entry in found if entry.startswith("S "))


def _entries(root: Path, paths: Iterable[PurePosixPath], *command: str) -> list[str]:
    """Return the entries that a command prints about some paths, which are no patterns; none without paths."""
    wanted = [str(path) for path in paths]
    if not wanted:
        return []
    said = run(*command, "-z", "--", *wanted, folder=root, variables={"GIT_LITERAL_PATHSPECS": "1"}).stdout
    return [os.fsdecode(entry) for entry in said.split(b"\0") if entry]
