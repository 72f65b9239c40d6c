"""Merges by key the files that both the owner and the template change: pyproject.toml and the requirements files.

The owner's dependencies are next to the template's, so a merge by lines would conflict in nearly every update. This
module merges pyproject.toml by key and by dependency, and the requirements files by package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from natsgen.files import requirements
from natsgen.files.tree import File
from natsgen.files.workspace import SERVICES

PROJECT = "pyproject.toml"
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")
_OWNERS_KEYS = {("project", "version")}
_DEPENDENCIES = (("project", "dependencies"), ("project", "optional-dependencies"), ("dependency-groups",))
_MISSING = object()


class _ChangedTwice(Exception):
    """Raised where both sides changed the same value."""


def is_shared(path: PurePosixPath) -> bool:
    """Return whether both the owner and the template change the file at this path in the workspace."""
    return len(path.parts) == 3 and path.parts[0] == SERVICES and path.name in (PROJECT, *REQUIREMENTS)


def merge(path: PurePosixPath, ours: bytes, base: bytes, theirs: bytes) -> bytes | None:
    """Merge the change from `base` to `theirs` into `ours`.

    Returns:
        The merged content; None if both sides changed the same value, or one of them cannot be parsed.
    """
    from tomlkit.exceptions import TOMLKitError

    try:
        sides = (ours.decode(), base.decode(), theirs.decode())
        return (_merged_project(*sides) if path.name == PROJECT else _merged_requirements(*sides)).encode()
    except (_ChangedTwice, UnicodeDecodeError, TOMLKitError):
        return None


def is_same(path: PurePosixPath, one: bytes, other: bytes) -> bool:
    """Return whether two contents of a shared file are equivalent, apart from comments and spaces."""
    if path.name != PROJECT:
        return one == other
    return bool(_read(one) == _read(other))


def is_unmodified(path: PurePosixPath, there: File | None, rendered: File) -> bool:
    """Return whether a file is what the template renders; the owner may have added dependencies and settings."""
    if there is None or there == rendered or not is_shared(path):
        return there == rendered
    return there.executable == rendered.executable and _has_all(path, there.content, rendered.content)


def _has_all(path: PurePosixPath, there: bytes, rendered: bytes) -> bool:
    if path.name == PROJECT:
        return _covers(_read(there), _read(rendered), ())
    own, templates = (requirements.parse(side.decode(errors="replace")).packages for side in (there, rendered))
    return all(
        name in own and (own[name] == block or requirements.version_of(own[name]) > requirements.version_of(block))
        for name, block in templates.items()
    )


def _merged_requirements(*sides: str) -> str:
    ours, base, theirs = map(requirements.parse, sides)
    has_own = bool(ours.packages.keys() - base.packages.keys())
    merged: dict[str, str] = {}
    for name in {*ours.packages, *base.packages, *theirs.packages}:
        own, old, new = (side.packages.get(name) for side in (ours, base, theirs))
        if new == old:
            chosen = own
        elif new is None:
            # an own dependency may need a package that the template no longer needs; `natsgen lock` drops unused ones
            chosen = own if has_own or own != old else None
        elif own in (old, None):
            chosen = new
        else:
            chosen = max(new, own or "", key=requirements.version_of)
        if chosen is not None:
            merged[name] = chosen
    return requirements.Pinned(theirs.head, merged).text()


def _read(project: bytes) -> Any:
    """Return the content of a pyproject.toml; None if it cannot be parsed."""
    import tomllib

    try:
        return tomllib.loads(project.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None


def _merged_project(*sides: str) -> str:
    import tomlkit

    ours, base, theirs = map(tomlkit.parse, sides)
    _merge_table(ours, base, theirs, ())
    return tomlkit.dumps(ours)


def _merge_table(ours: Any, base: Mapping[str, Any], theirs: Mapping[str, Any], place: tuple[str, ...]) -> None:
    for key in list(dict.fromkeys([*base, *theirs])):
        own, old, new = (side.get(key, _MISSING) for side in (ours, base, theirs))
        where = (*place, key)
        if _plain(new) in (_plain(old), _plain(own)) or (own is _MISSING and old is not _MISSING):
            continue  # the template did not change it, or the owner has it already or removed it
        if own is _MISSING or _plain(own) == _plain(old):
            _put(ours, key, new)
        elif isinstance(own, Mapping) and _is_all(Mapping, old, new):
            _merge_table(own, {} if old is _MISSING else old, {} if new is _MISSING else new, where)
        elif isinstance(own, list) and _is_all(list, old, new):
            _merge_list(own, [] if old is _MISSING else old, [] if new is _MISSING else new, where)
        elif where not in _OWNERS_KEYS:
            raise _ChangedTwice


def _merge_list(ours: Any, base: list[Any], theirs: list[Any], place: tuple[str, ...]) -> None:
    key_of = _key_in(place)
    old, new = ({key_of(one): one for one in side} for side in (base, theirs))
    for key in [*old, *(key for key in new if key not in old)]:
        index = next((index for index, one in enumerate(ours) if key_of(one) == key), None)
        was, becomes = _plain(old.get(key, _MISSING)), _plain(new.get(key, _MISSING))
        if becomes == was or (index is None and was is not _MISSING):
            continue
        if index is None:
            _insert(ours, list(new), key, key_of, becomes)
        elif _plain(ours[index]) == was and becomes is _MISSING:
            del ours[index]
        elif _plain(ours[index]) == was:
            ours[index] = becomes
        elif becomes not in (_MISSING, _plain(ours[index])):
            raise _ChangedTwice


def _insert(ours: Any, order: list[Any], key: Any, key_of: Callable[[Any], Any], value: Any) -> None:
    """Insert a value after the one that it follows in the template."""
    import tomlkit

    before = set(order[: order.index(key)])
    index = max((index + 1 for index, one in enumerate(ours) if key_of(one) in before), default=0)
    if isinstance(ours, tomlkit.items.AoT):
        ours.append(tomlkit.item(value))
    else:
        ours.insert(index, value)


def _put(ours: Any, key: str, value: Any) -> None:
    if value is _MISSING:
        del ours[key]
    else:
        ours[key] = value


def _covers(there: Any, rendered: Any, place: tuple[str, ...]) -> bool:
    if place in _OWNERS_KEYS:
        return True
    if isinstance(rendered, dict) and isinstance(there, dict):
        return all(key in there and _covers(there[key], value, (*place, key)) for key, value in rendered.items())
    if isinstance(rendered, list) and isinstance(there, list):
        return all(one in there for one in rendered)
    return bool(there == rendered)


def _key_in(place: tuple[str, ...]) -> Callable[[Any], Any]:
    """Return the function that identifies a value of a list: a dependency by its name and platform."""
    if not any(place[: len(one)] == one for one in _DEPENDENCIES):
        return lambda value: repr(_plain(value))
    return _dependency


def _dependency(value: Any) -> Any:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        found = Requirement(_plain(value))
        return canonicalize_name(found.name), str(found.marker)
    except (InvalidRequirement, TypeError):
        return repr(_plain(value))


def _plain(value: Any) -> Any:
    return value.unwrap() if hasattr(value, "unwrap") else value


def _is_all(kind: type, *values: Any) -> bool:
    return all(value is _MISSING or isinstance(value, kind) for value in values)
