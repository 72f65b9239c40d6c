"""Answers in, a tree of files out: the only place that runs Copier."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen import tree
from natsgen.errors import TemplateError
from natsgen.template_source import TemplateSource
from natsgen.tree import File, Tree

ANSWERS_FILE = ".copier-answers.yml"
_SOURCE_KEYS = re.compile(r"^(_commit|_src_path):.*\n([ \t]+.*\n)*", re.MULTILINE)


def render(template: TemplateSource, data: Mapping[str, Any]) -> Tree:
    """Renders the template.

    Args:
        template: which one.
        data: a checked answer for every question, so that Copier asks nothing and no default of the user's counts.

    Returns:
        The files by their path relative to the workspace. The answers file names the template's stable source.

    Raises:
        TemplateError: Copier refused the template or the answers.
    """
    with tempfile.TemporaryDirectory(prefix="natsgen-") as folder:
        _run_copier(template.folder, Path(folder, "tree"), data)
        rendered = tree.read(Path(folder, "tree"))
    return {path: _with_stable_source(path, file, template) for path, file in rendered.items()}


def _run_copier(template: Path, target: Path, data: Mapping[str, Any]) -> None:
    import copier
    from copier.errors import CopierError
    from jinja2 import TemplateError as JinjaError
    from plumbum import local

    try:
        # Without git in sight, Copier renders the folder as it is. With it, a checkout would be cloned at its latest
        # tag, a GIT_DIR in the environment would be followed, and git would be run once for every file.
        with local.env(PATH=""), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they speak to the template's authors
            copier.run_copy(
                str(template),
                target,
                data=dict(data),
                defaults=True,
                overwrite=True,
                quiet=True,
                settings=copier.Settings(),
            )
    except (CopierError, JinjaError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise TemplateError(f"the template in {template} could not be rendered: {problem}") from error


def _with_stable_source(path: PurePosixPath, file: File, template: TemplateSource) -> File:
    if path.name != ANSWERS_FILE:
        return file
    source = f"_commit: {template.commit}\n_src_path: {template.url}\n"
    text = _SOURCE_KEYS.sub("", file.content.decode())
    first_key = re.search(r"^\w", text, re.MULTILINE)
    start = first_key.start() if first_key else len(text)
    return replace(file, content=(text[:start] + source + text[start:]).encode())
