"""Templates that a person has accepted: what a repository names is neither fetched nor rendered before.

A template decides what is in the code that a person runs later, and a repository may name any. What is accepted is
remembered in the user's configuration, a template a line, and never in a repository.
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
"""What was accepted where nothing can be remembered, because nobody may write there."""


def file() -> Path:
    """Return the file of the templates that a person has accepted."""
    return state.users_folder("XDG_CONFIG_HOME", ".config") / "natsgen" / "trusted-templates"


def need(url: str, workspace: Path, where: str) -> None:
    """Make sure that a person has accepted the template that a repository names.

    Args:
        url: as an answers file or natsgen.toml names it.
        workspace: what a relative path is relative to.
        where: the file that names it.

    Raises:
        UntrustedTemplateError: nobody has.
    """
    if url != REPOSITORY and _key(url, workspace) not in _accepted():
        raise UntrustedTemplateError(
            f"{where} names the template {git.without_secrets(url)}, which you have not accepted yet, so nothing was "
            f"fetched or changed: look at it, and run this again with --trust-template",
            url,
            workspace,
        )


def remember(url: str, workspace: Path) -> None:
    """Accept a template from now on, for whatever names it.

    Raises:
        OSError: it cannot be written down; it is accepted for this command all the same.
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
    """Return a template's address, the same from wherever it is named, without what may be secret in it."""
    address = addresses.to_clone(url, workspace)
    if not addresses.is_remote(address):
        address = os.path.realpath(address)
    return " ".join(git.without_secrets(address).split())
