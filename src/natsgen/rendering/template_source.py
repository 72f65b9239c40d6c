"""The template's folder on this machine, and the source that the answers file names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import natsgen
from natsgen.errors import TemplateError

REPOSITORY = "https://github.com/natsgen/natsgen.git"


@dataclass(frozen=True)
class TemplateSource:
    """A template.

    Attributes:
        folder: the folder of its copier.yml.
        url: `_src_path` in an answers file; it is the same on every machine, so never `folder`.
        commit: `_commit` in an answers file.
    """

    folder: Path
    url: str
    commit: str


def bundled() -> TemplateSource:
    """Return the template of this natsgen: inside an installed package, or at the root of a checkout.

    Raises:
        TemplateError: neither exists.
    """
    package = Path(natsgen.__file__).resolve().parent
    for folder in (package / "_template", package.parents[1]):
        if (folder / "copier.yml").is_file() and (folder / "template").is_dir():
            return TemplateSource(folder, REPOSITORY, f"v{natsgen.__version__}")
    raise TemplateError(f"natsgen in {package} has no template: reinstall it")
