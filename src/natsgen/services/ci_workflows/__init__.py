"""Optional workflows for CI servers, which test the changed services of a workspace and open updates."""

from __future__ import annotations

from importlib.resources import files
from pathlib import PurePosixPath

from natsgen import messages
from natsgen.errors import InputError
from natsgen.files.tree import File, Tree

SERVERS = ("github", "gitlab")

_SCRIPTS = {f".ci/{name}": name for name in ("changed-services.sh", "update-services.sh")}
_WORKFLOWS = {
    "github": {
        ".github/workflows/services.yml": "github.yml",
        ".github/workflows/natsgen-update.yml": "github-update.yml",
    },
    "gitlab": {".gitlab-ci.yml": "gitlab.yml"},
}
"""The files of this package by their path in the workspace."""


def workflow(server: str, where: str) -> Tree:
    """Return the files for one kind of CI server, by their path in the workspace.

    Args:
        server: one of `SERVERS`.
        where: what to name in the error, such as "--ci".

    Raises:
        InputError: the server is unknown.
    """
    if server not in SERVERS:
        raise InputError(f"{where}: {messages.invalid_choice(server, SERVERS)}")
    return {PurePosixPath(path): _file(name) for path, name in {**_SCRIPTS, **_WORKFLOWS[server]}.items()}


def _file(name: str) -> File:
    return File(files(__name__).joinpath(name).read_bytes())
