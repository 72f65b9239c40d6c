"""Parses a template's address: a URL, a path or a bundle, optionally followed by `@` and a version."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from natsgen.errors import InputError

_VERSIONED = re.compile(r"(?P<url>.*[/:\\][^/:\\]+|[^/:\\]+)@(?P<version>[^/:@\\]+)")
"""An `@` before a host name, as in git@git.example.com:team/template.git, does not begin a version."""

_SHORT_FORMS = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}
_SECRET = re.compile(
    r"(git\+)?(https?://[^/?#\s]*@|[a-z][a-z0-9+.-]*://[^/@]*:[^/@]+@)|.*[?&][^=&]*(token|key|secret|password)[^=&]*=",
    re.IGNORECASE,
)
"""The user in an HTTP URL is often a token; the user in `ssh://git@host` is not."""
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[\w.-]+@[\w.-]+:")


@dataclass(frozen=True)
class Address:
    """The address of a template.

    Attributes:
        url: a URL that git can clone, or a folder; a path is relative to the workspace.
        version: the version, such as 1.2.3; "" for none.
    """

    url: str
    version: str = ""


def read(given: str, here: Path, workspace: Path) -> Address:
    """Parse a template's address.

    Args:
        given: the address as typed.
        here: the folder that a typed path is relative to.
        workspace: the folder that a stored path is relative to, so that it is valid on every machine.

    Raises:
        InputError: the address contains a password or a token.
    """
    text = given.strip()
    if has_secret(text):
        raise InputError(
            "the template's URL contains a password or a token, which every service would store; remove it, and use a "
            "git credential helper"
        )
    if not _path(text, here).exists() and (found := _VERSIONED.fullmatch(text)):
        return Address(_stable(found["url"], here, workspace), found["version"])
    return Address(_stable(text, here, workspace))


def has_secret(url: str) -> bool:
    """Return whether a template's address contains a password or a token."""
    return _SECRET.match(url) is not None


def is_of_this_machine(url: str) -> bool:
    """Return whether a template's address is a path that may not exist on another machine."""
    return Path(url).is_absolute() or url.startswith(("~", "file://"))


def is_remote(address: str) -> bool:
    """Return whether a template's address is a URL rather than a path."""
    return _REMOTE.match(address) is not None


def is_missing(url: str, workspace: Path) -> bool:
    """Return whether a template's address is a path that does not exist."""
    address = to_clone(url, workspace)
    return not _REMOTE.match(address) and not Path(address).exists()


def to_clone(url: str, workspace: Path) -> str:
    """Return the URL or path for git; the address may be in one of Copier's short forms."""
    for short, full in _SHORT_FORMS.items():
        if url.startswith(short):
            return f"{full}{url.removeprefix(short).removesuffix('.git')}.git"
    address = url.removeprefix("git+")
    path = _path(address, workspace)
    return address if _REMOTE.match(address) and not path.exists() else str(path)


def _stable(url: str, here: Path, workspace: Path) -> str:
    path = _path(url, here)
    is_relative = not (Path(url).is_absolute() or url.startswith("~"))
    return os.path.relpath(path.resolve(), workspace) if path.exists() and is_relative else url


def _path(text: str, folder: Path) -> Path:
    try:
        return folder / Path(text).expanduser()
    except RuntimeError:  # ~name of an unknown user
        return folder / text
