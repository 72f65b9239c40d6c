"""Where the template is on this machine, and what the answers file says that it came from."""

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
        folder: where its copier.yml is.
        url: what `_src_path` of an answers file says: the same on every machine, never `folder`.
        commit: what `_commit` of an answers file says.
    """

    folder: Path
    url: str
    commit: str


def bundled() -> TemplateSource:
    """Return the template of this natsgen: inside an installed package, or at the root of a checkout.

    Raises:
        TemplateError: neither is there.
    """
    package = Path(natsgen.__file__).resolve().parent
    for folder in (package / "_template", package.parents[1]):
        if (folder / "copier.yml").is_file() and (folder / "template").is_dir():
            return TemplateSource(folder, REPOSITORY, f"v{natsgen.__version__}")
    raise TemplateError(f"natsgen in {package} has no template: reinstall it")
