"""How a person names a template, and where that is: a URL, a path or a bundle, with `@` and a version behind it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from natsgen.errors import InputError

_VERSIONED = re.compile(r"(?P<url>.*[/:\\][^/:\\]+|[^/:\\]+)@(?P<version>[^/:@\\]+)")
"""The `@` in front of a host's name, as in git@git.example.com:team/template.git, is none of a version."""

_SHORT_FORMS = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}
_SECRET = re.compile(
    r"(git\+)?(https?://[^/?#\s]*@|[a-z][a-z0-9+.-]*://[^/@]*:[^/@]+@)|.*[?&][^=&]*(token|key|secret|password)[^=&]*=",
    re.IGNORECASE,
)
"""A user of HTTP is a token as often as not; the user of `ssh://git@host` is none."""
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[\w.-]+@[\w.-]+:")


@dataclass(frozen=True)
class Address:
    """A template as a person names it.

    Attributes:
        url: what git can clone, or a folder; a path is relative to the workspace.
        version: of it, such as 1.2.3; "" where none is named.
    """

    url: str
    version: str = ""


def read(given: str, here: Path, workspace: Path) -> Address:
    """Return the template that a person names.

    Args:
        given: what was typed.
        here: the folder that a path in it is relative to.
        workspace: the folder that the answer of services is relative to, so that it is right on every machine.

    Raises:
        InputError: there is a password or a token in it.
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
    """Return whether a password or a token is in a template's address."""
    return _SECRET.match(url) is not None


def is_of_this_machine(url: str) -> bool:
    """Return whether a template's address is a path that another machine need not have."""
    return Path(url).is_absolute() or url.startswith(("~", "file://"))


def is_remote(address: str) -> bool:
    """Return whether what git takes for a template's address is no path."""
    return _REMOTE.match(address) is not None


def is_missing(url: str, workspace: Path) -> bool:
    """Return whether a template's address is a path at which there is nothing."""
    address = to_clone(url, workspace)
    return not _REMOTE.match(address) and not Path(address).exists()


def to_clone(url: str, workspace: Path) -> str:
    """Return what git takes for a template's address, which may be in one of Copier's short forms."""
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
    except RuntimeError:  # ~somebody, who is not there
        return folder / text
