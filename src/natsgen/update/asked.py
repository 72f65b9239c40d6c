"""What an update must know of a template, natsgen's own or a team's: what it asks, and what it writes only once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from natsgen.answers.questions import FILE, FILES
from natsgen.errors import TemplateError
from natsgen.files import reading

if TYPE_CHECKING:
    from pathspec import PathSpec


@dataclass(frozen=True)
class Asked:
    """The part of a copier.yml that an update looks at.

    Attributes:
        questions: the keys of what it asks.
        written_once: patterns of files that are the workspace's own once they exist, as in a .gitignore.
    """

    questions: frozenset[str]
    written_once: tuple[str, ...]

    def is_written_once(self, path: PurePosixPath) -> bool:
        """Whether the file, by its path in the workspace, is the workspace's own once it exists."""
        return bool(self.written_once) and _spec(self.written_once).match_file(str(path))


@lru_cache(maxsize=64)
def read(template: Path) -> Asked:
    """Reads the copier.yml or copier.yaml in a folder, which does not change while this process runs.

    Raises:
        TemplateError: there is none, or it is not what one looks like.
    """
    import yaml

    file = next((template / name for name in FILES if (template / name).is_file()), None)
    if file is None:
        raise TemplateError(f"{template} has no {FILE}, so it is no template")
    try:
        raw = yaml.load(reading.read_bytes(file), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError) as error:
        raise TemplateError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise TemplateError(f"{file} is no mapping")
    keys = frozenset(str(key) for key in raw if not str(key).startswith("_"))
    return Asked(keys, tuple(map(str, raw.get("_skip_if_exists") or ())))


@lru_cache(maxsize=64)
def _spec(patterns: tuple[str, ...]) -> PathSpec[Any]:
    from pathspec import PathSpec

    return PathSpec.from_lines("gitwildmatch", patterns)
