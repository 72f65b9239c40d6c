"""The templates that the user has accepted: natsgen never fetches or renders another one that a repository names.

A template determines code that the user runs later, and a repository may name any template. The accepted templates are
stored in the user's configuration, one per line, and never in a repository.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from natsgen.errors import UntrustedTemplateError
from natsgen.files import git
from natsgen.rendering import addresses
from natsgen.rendering.template_source import REPOSITORY
from natsgen.transaction import state

_of_this_process: set[str] = set()
"""The templates that were accepted in this process; the configuration may not be writable."""


def file() -> Path:
    """Return the file of the accepted templates."""
    return state.users_folder("XDG_CONFIG_HOME", ".config") / "natsgen" / "trusted-templates"


def need(url: str, workspace: Path, where: str) -> None:
    """Check that the user has accepted the template that a repository names.

    Args:
        url: the template in an answers file or natsgen.toml.
        workspace: the folder that a relative path starts from.
        where: the file that names the template.

    Raises:
        UntrustedTemplateError: the user has not accepted it.
    """
    if url != REPOSITORY and _key(url, workspace) not in _accepted():
        raise UntrustedTemplateError(
            f"{where} names the template {git.without_secrets(url)}, which you have not accepted yet, so nothing was "
            f"fetched or changed: review it, and run this again with --trust-template",
            url,
            workspace,
        )


def remember(url: str, workspace: Path) -> None:
    """Accept a template permanently, for every workspace.

    Raises:
        OSError: it cannot be stored; it is accepted for this command only.
    """
    key = _key(url, workspace)
    if url == REPOSITORY or key in _accepted():
        return
    _of_this_process.add(key)
    state.make_folder(file().parent)
    with file().open("a", encoding="utf-8") as opened:
        opened.write(f"{key}\n")


def _accepted() -> set[str]:
    found = set(_of_this_process)
    with suppress(FileNotFoundError, NotADirectoryError):
        found.update(file().read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines())
    return found


def _key(url: str, workspace: Path) -> str:
    """Return a template's address in a form that does not depend on the workspace, without secrets."""
    address = addresses.to_clone(url, workspace)
    if not addresses.is_remote(address):
        address = os.path.realpath(address)
    return " ".join(git.without_secrets(address).split())
