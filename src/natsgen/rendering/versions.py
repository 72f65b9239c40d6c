"""Parses and compares versions of a template, which are tags such as v1.2.3, as Copier does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from natsgen.errors import InputError

if TYPE_CHECKING:
    from packaging.version import Version


def parse(tag: str) -> Version | None:
    """Return the version of a tag; None if it is not a release, such as `v1.0.0rc1`."""
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(tag)
    except InvalidVersion:
        return None
    return None if version.is_prerelease or version.local else version


def ordered(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the tags that are releases, oldest first."""
    known = [(version, tag) for tag in tags if (version := parse(tag)) is not None]
    return tuple(tag for _, tag in sorted(known))


def find(text: str, tags: Iterable[str], where: str) -> str:
    """Return the tag for a version such as `1.2.3` or `v1.2.3`.

    Raises:
        InputError: the version does not exist.
    """
    known = tuple(tags)
    wanted = parse(text.strip())
    for tag in known:
        if wanted is not None and parse(tag) == wanted:
            return tag
    raise InputError(f"{where}: unknown template version {text!r} (available: {', '.join(known) or 'none'})")


def is_newer(one: str, other: str) -> bool:
    """Return whether one release is newer than another; False if one of them is not a release."""
    left, right = parse(one), parse(other)
    return left is not None and right is not None and left > right
