"""The few things that natsgen asks git, none of which changes a person's repository: not its index, stash or refs."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from natsgen.errors import GitError

# A repository that a hook or a person's shell names is not the one that is meant here.
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

# A repository may come from anybody: nothing that it says is run, and a bare one inside of it is none of ours.
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
        arguments: what follows `git`.
        folder: where it is run.
        variables: of its environment, beside the process's own.
        fine: the exit codes that are no error.

    Raises:
        GitError: there is no git, or it ended with another exit code; the message holds what it said.
    """
    own = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_REPOSITORY}
    # no lock, so that a person's own git commands never meet one; no question, because nobody may be there
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
    """Run git in a bare repository, which git uses only where it is named: a clone may have one hidden in it.

    Raises:
        GitError: as `run`.
    """
    return run(f"--git-dir={repository}", *arguments, folder=repository, variables=variables, fine=fine)


def without_secrets(text: str) -> str:
    """Return a text in which no address has a user, a password or a token any more."""
    return _SECRET.sub("", text)


@lru_cache(maxsize=64)
def own_folder(root: Path) -> Path:
    """Return the folder in git's own directory that is natsgen's, for a folder in a working tree. It need not exist.

    A repository with several workspaces has one for each, and each worktree has its own.

    Raises:
        GitError: the folder is in no repository that can be read.
    """
    said = run("rev-parse", "--path-format=absolute", "--git-path", "natsgen", "--show-prefix", folder=root).stdout
    place, inside = os.fsdecode(said).removesuffix("\n").rsplit("\n", 1)
    return Path(place, _folder_name(inside))


def _folder_name(inside: str) -> str:
    return hashlib.sha256(os.fsencode(inside)).hexdigest()[:16] if inside else "root"


def prefix(root: Path) -> PurePosixPath:
    """Return where a folder is in its repository.

    Raises:
        GitError: it is in none.
    """
    try:
        said = run("rev-parse", "--show-prefix", folder=root).stdout
    except GitError as error:
        raise GitError(
            f"{root} is not in a git repository, which updates need to be undone: commit it to one first ({error})"
        ) from error
    return PurePosixPath(os.fsdecode(said).removesuffix("\n") or ".")


def uncommitted(root: Path, paths: Iterable[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """Return the files under some paths that are not as the last commit has them, new ones included, ignored ones not.

    Args:
        root: a folder in a repository.
        paths: files and folders, relative to it.

    Returns:
        The files, relative to `root`.

    Raises:
        GitError: there is no repository, or git refuses.
    """
    wanted = [str(path) for path in paths]
    if not wanted:
        return ()
    inside = prefix(root)
    options = ("--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=none")
    literal = {"GIT_LITERAL_PATHSPECS": "1"}
    said = run("status", *options, "--", *wanted, folder=root, variables=literal).stdout
    found = [PurePosixPath(os.fsdecode(entry[3:])) for entry in said.split(b"\0") if entry]
    return tuple(path.relative_to(inside) if path.is_relative_to(inside) else path for path in found)


def tracked(root: Path, paths: Iterable[PurePosixPath]) -> frozenset[PurePosixPath]:
    """Return those of the files, relative to `root`, that the repository knows.

    Raises:
        GitError: there is no repository, or git refuses.
    """
    wanted = [str(path) for path in paths]
    if not wanted:
        return frozenset()
    said = run("ls-files", "-z", "--", *wanted, folder=root, variables={"GIT_LITERAL_PATHSPECS": "1"}).stdout
    return frozenset(PurePosixPath(os.fsdecode(entry)) for entry in said.split(b"\0") if entry)
