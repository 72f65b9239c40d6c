"""The rules for templates: they run no code, read only their own files, and write only to their service and `compose/`.

natsgen's own template is not checked.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from natsgen.answers.questions import FILES
from natsgen.errors import TemplateError
from natsgen.files import git, places, reading
from natsgen.files.workspace import COMPOSE, SERVICES
from natsgen.rendering.template_source import REPOSITORY, TemplateSource

if TYPE_CHECKING:
    import yaml

FORBIDDEN_FILTERS = ("expanduser", "expandvars", "fileglob", "realpath", "relpath")
"""Copier's filters that read the machine's environment and files."""

_RUNS_CODE = ("_tasks", "_migrations", "_jinja_extensions", "_external_data")
_SETTINGS = frozenset(
    f"{what}_{end}_string" for what in ("block", "variable", "comment") for end in ("start", "end")
) | {"trim_blocks", "lstrip_blocks", "keep_trailing_newline", "newline_sequence", "autoescape", "undefined"}
_LITTER = frozenset({".git", ".venv", "node_modules", "__pycache__"})
"""Folders in a working copy of a template that are not part of a version."""


def check(template: TemplateSource) -> None:
    """Check that a template runs no code and reads only its own files.

    Raises:
        TemplateError: it breaks a rule; the message names the file and, if known, the line.
    """
    if template.url != REPOSITORY:
        _check_folder(template.folder, git.without_secrets(template.url))


def check_written(template: TemplateSource, paths: Iterable[PurePosixPath], service: str) -> None:
    """Check that a template writes only to its service and `compose/`.

    Args:
        template: the template.
        paths: the paths that it renders, in the workspace.
        service: the service's name.

    Raises:
        TemplateError: it would write elsewhere; the message names the path.
    """
    for path in paths:
        if not places.is_plain(path) or not _is_allowed(path, service):
            raise TemplateError(
                f"the template {git.without_secrets(template.url)} would write {path}, so nothing was changed: a "
                f"template may write only below {SERVICES}/{service}/ and {COMPOSE}/"
            )


def place_of(error: BaseException, template: Path) -> str:
    """Return the position of a Jinja error in a template, such as "a.py.jinja:3: "; "" if it is unknown."""
    named, line = getattr(error, "filename", None), getattr(error, "lineno", None)
    traceback = error.__traceback__
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if Path(filename).is_relative_to(template):
            named, line = filename, traceback.tb_lineno
        traceback = traceback.tb_next
    if not named or not Path(named).is_relative_to(template):
        return ""
    return f"{Path(named).relative_to(template)}:{line}: "


def _is_allowed(path: PurePosixPath, service: str) -> bool:
    return path.is_relative_to(PurePosixPath(SERVICES, service)) or path.parts[0] == COMPOSE


@lru_cache(maxsize=64)
def _check_folder(folder: Path, url: str) -> None:
    root = folder.resolve()
    for name in FILES:
        if os.path.lexists(root / name):
            _refuse(url, _in_settings(root / name, name))
    for path in _all_in(root):
        _refuse(url, _in_file(path, root))


def _refuse(url: str, problems: Iterator[str]) -> None:
    if problem := next(problems, ""):
        raise TemplateError(f"the template {url} is not rendered: {problem}")


def _all_in(root: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - _LITTER)
        yield from (Path(parent, name) for name in (*folders, *sorted(names)))


def _in_file(path: Path, root: Path) -> Iterator[str]:
    name, target = path.relative_to(root), Path(os.path.realpath(path))
    if path.is_symlink():
        if not target.is_relative_to(root):
            yield f"{name} is a link to {path.readlink()}, outside the template"
        if not target.is_file():
            yield f"{name} is a link to {path.readlink()}, which is not a file"
    mode = target.stat().st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        yield f"{name} is neither a file nor a folder"
    if stat.S_ISREG(mode) and target.stat().st_size > reading.LIMIT:
        yield f"{name} is larger than {reading.LIMIT // 1_000_000} MB"


def _in_settings(file: Path, name: str) -> Iterator[str]:
    import yaml

    try:
        documents: list[yaml.Node] = list(
            yaml.compose_all(reading.read_bytes(file), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        )
    except OSError as error:
        yield f"{name}: {error.strerror}"
        return
    except (yaml.YAMLError, ValueError) as error:
        yield f"{name}: {' '.join(str(error).split())}"
        return
    for node in _nodes(documents):
        if node.tag.startswith("!"):
            yield f"{name}:{node.start_mark.line + 1}: {node.tag} may read files outside the template"
    for document in documents:
        for key, value in document.value if isinstance(document, yaml.MappingNode) else ():
            yield from (f"{name}:{key.start_mark.line + 1}: {problem}" for problem in _in_setting(key.value, value))


def _nodes(documents: Iterable[yaml.Node]) -> Iterator[yaml.Node]:
    """Yield every node of some documents once, even if aliases refer to it again."""
    seen: set[int] = set()
    left = list(documents)
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node.value, list):
            left += [one for entry in node.value for one in (entry if isinstance(entry, tuple) else (entry,))]


def _in_setting(key: Any, value: yaml.Node) -> Iterator[str]:
    import yaml

    if key in _RUNS_CODE and value.value not in ([], "", "null", "~"):
        yield f"{key} may run code or read files outside the template, which natsgen does not allow"
    if key == "_envops" and isinstance(value, yaml.MappingNode):
        yield from (f"_envops must not set {one.value}" for one, _ in value.value if one.value not in _SETTINGS)
    if key == "_subdirectory" and not _stays_inside(str(value.value)):
        yield f"_subdirectory must be a folder of the template, not {value.value}"


def _stays_inside(folder: str) -> bool:
    path = PurePosixPath(folder)
    return not path.is_absolute() and ".." not in path.parts and "{" not in folder
