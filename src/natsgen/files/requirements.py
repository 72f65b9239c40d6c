"""Parses a file of pinned requirements into packages: each has a block of lines with its pins and hashes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.version import Version

_BLOCK = re.compile(r"^(?=[a-zA-Z0-9])", re.MULTILINE)
_NAME = re.compile(r"[a-zA-Z0-9._-]+")
_PIN = re.compile(r"^[a-zA-Z0-9._-]+(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True)
class Pinned:
    """The pinned requirements in a file.

    Attributes:
        head: the lines before the first package: comments and `-r` lines.
        packages: the lines of each package, by its normalized name; it may be pinned once for each platform.
    """

    head: str
    packages: Mapping[str, str]

    def text(self) -> str:
        """Return the text of the file, with its packages sorted."""
        return self.head + "".join(self.packages[name] for name in sorted(self.packages))


def parse(text: str) -> Pinned:
    """Parse the text of a requirements file."""
    from packaging.utils import canonicalize_name

    head, *blocks = _BLOCK.split(text)
    packages: dict[str, str] = {}
    for block in blocks:
        if found := _NAME.match(block):
            name = canonicalize_name(found[0])
            packages[name] = packages.get(name, "") + block.rstrip("\n") + "\n"
    return Pinned(head, packages)


def version_of(block: str) -> Version:
    """Return the newest version that the lines of a package pin; 0 if they pin none."""
    from packaging.version import InvalidVersion, Version

    found = [Version("0")]
    for text in _PIN.findall(block):
        try:
            found.append(Version(text))
        except InvalidVersion:
            continue
    return max(found)


def pins_of(block: str) -> list[str]:
    """Return the pins of a package without their hashes, as in `idna==3.18`."""
    return sorted(line.rstrip(" \\") for line in block.splitlines() if not line.startswith((" ", "\t", "#")))
