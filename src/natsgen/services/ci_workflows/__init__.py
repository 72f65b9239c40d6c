"""Optional workflows for CI servers, which test the changed services of a workspace."""

from __future__ import annotations

from importlib.resources import files
from pathlib import PurePosixPath

from natsgen import messages
from natsgen.errors import InputError
from natsgen.files.tree import File, Tree

SERVERS = ("github", "gitlab")

_CHANGED = PurePosixPath(".ci/changed-services.sh")
_WORKFLOWS = {
    "github": PurePosixPath(".github/workflows/services.yml"),
    "gitlab": PurePosixPath(".gitlab-ci.yml"),
}


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
    return {_CHANGED: _file("changed-services.sh"), _WORKFLOWS[server]: _file(f"{server}.yml")}


def _file(name: str) -> File:
    return File(files(__name__).joinpath(name).read_bytes())
