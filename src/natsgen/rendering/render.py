"""Answers in, a tree of files out: the only place that runs Copier, or does what Copier does."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen.answers import questions
from natsgen.errors import TemplateError
from natsgen.files import tree
from natsgen.files.tree import File, Tree
from natsgen.parts import packages
from natsgen.parts.kind import Part, PartKind
from natsgen.parts.kinds import KINDS
from natsgen.rendering import cached_jinja, copier_worker, limits, template_rules
from natsgen.rendering.template_source import REPOSITORY, TemplateSource
from natsgen.workspace import ANSWERS_FILE

_SUFFIX = ".jinja"
_END_YIELD = "{% endyield %}"
_UNPLAIN = re.compile(r"[^\w./:@+~-]|^[@:-]|:$", re.ASCII)  # what YAML does not take for text as it is, and more
_SOURCE_KEYS = re.compile(r"^(_commit|_src_path):.*\n([ \t]+.*\n)*", re.MULTILINE)


def render(
    template: TemplateSource,
    data: Mapping[str, Any],
    workspace_name: str = "tree",
    with_packages: Collection[str] | None = None,
) -> Tree:
    """Render the template.

    Args:
        template: which one.
        data: a checked answer for every question, so that Copier asks nothing and no default of the user's counts.
        workspace_name: of the workspace's folder, which the template may make a default of.
        with_packages: the packages that the service has; those that the answers need if None. A template that knows no
            packages makes all that it has.

    Returns:
        The files by their path relative to the workspace. The answers file names the template's stable source.

    Raises:
        TemplateError: the template breaks a rule, or Copier refused it or the answers.
    """
    import tempfile

    template_rules.check(template)
    if with_packages is not None and knows_packages(template):
        data = {**data, packages.QUESTION: sorted(with_packages)}
    with tempfile.TemporaryDirectory(prefix="natsgen-") as folder:
        target = Path(folder, workspace_name)
        copier_worker.worker_class()  # imported before the limits begin, which could leave modules imported in part
        with _limits(template):
            _run_copier(template.folder, target, data)
        rendered = tree.read(target)
    template_rules.check_written(template, rendered, data["service_name"])
    return {path: _with_stable_source(path, file, template) for path, file in rendered.items()}


def knows_packages(template: TemplateSource) -> bool:
    """Return whether a template makes only the packages that a service needs; an older one or a fork need not."""
    return packages.QUESTION in questions.read(template.folder).computed


def render_part(template: TemplateSource, data: Mapping[str, Any], part: Part) -> Tree:
    """Render only the files of one part, byte for byte what `render` makes of them, without importing Copier.

    Args:
        template: which one.
        data: as for `render`; what it says of parts does not count.
        part: which one.

    Returns:
        Its file and its test.

    Raises:
        TemplateError: the template does not make them, or refuses the answers.
    """
    template_rules.check(template)
    kind = part.kind
    only = {**data, **{question: {} for question in KINDS}, kind.question: {part.name: part.to_answer()}}
    paths = kind.paths(data["service_name"], part.name)
    rendered: Tree = {}
    if not questions.read(template.folder).changes_jinja:
        with _limits(template):
            rendered = _render_yielded_files(template.folder, {**only, kind.noun: part.name}, kind)
    if paths[0] not in rendered:
        rendered = render(template, only)  # whatever is wrong, Copier says it best
    if paths[0] not in rendered:
        raise TemplateError(f"the template in {template.folder} makes no {paths[0]}: reinstall natsgen")
    return {path: rendered[path] for path in paths if path in rendered}


def _render_yielded_files(template: Path, context: Mapping[str, Any], kind: PartKind) -> Tree:
    """Return the files that the template makes for each part, in an environment like Copier's; none if that fails."""
    from jinja2 import FileSystemLoader
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(
        loader=FileSystemLoader(template),
        extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
        keep_trailing_newline=True,
    )
    copier_worker.contain(environment)
    begin = f"{{% yield {kind.noun} from {kind.question} %}}"
    found = {}
    try:
        files = template / questions.read(template).subdirectory
        for file in files.rglob(f"*{begin}*{_SUFFIX}"):
            source = file.relative_to(template)
            pattern = str(file.relative_to(files).with_suffix("")).replace(begin, "").replace(_END_YIELD, "")
            path = PurePosixPath(environment.from_string(pattern).render(context))
            if path.suffix:  # where a condition renders the name empty, there is no file
                content = environment.get_template(source.as_posix()).render(context)
                found[path] = File(content.encode(), os.access(file, os.X_OK))
    except Exception:
        return {}
    return found


def _limits(template: TemplateSource) -> AbstractContextManager[None]:
    return nullcontext() if template.url == REPOSITORY else limits.imposed()


def _run_copier(template: Path, target: Path, data: Mapping[str, Any]) -> None:
    from plumbum import local

    try:
        # Without git in sight, Copier renders the folder as it is. With it, a checkout would be cloned at its latest
        # tag, a GIT_DIR in the environment would be followed, and git would be run once for every file.
        with local.env(PATH=""), warnings.catch_warnings(), cached_jinja.compiling_once():
            warnings.simplefilter("ignore")  # they speak to the template's authors
            with copier_worker.worker_class()(
                src_path=str(template),
                dst_path=target,
                data=dict(data),
                defaults=True,
                overwrite=True,
                quiet=True,
                settings={},  # and not those of the person, who may trust more
            ) as worker:
                worker.run_copy()
    except Exception as error:  # whatever a template makes of Copier and Jinja
        problem = template_rules.place_of(error, template) + (" ".join(str(error).split()) or type(error).__name__)
        raise TemplateError(f"the template in {template} could not be rendered: {problem}") from error


def _with_stable_source(path: PurePosixPath, file: File, template: TemplateSource) -> File:
    if path.name != ANSWERS_FILE:
        return file
    source = f"_src_path: {json.dumps(template.url) if _UNPLAIN.search(template.url) else template.url}\n"
    if template.commit:
        source = f"_commit: {template.commit}\n{source}"
    text = _SOURCE_KEYS.sub("", file.content.decode())
    first_key = re.search(r"^\w", text, re.MULTILINE)
    start = first_key.start() if first_key else len(text)
    return replace(file, content=(text[:start] + source + text[start:]).encode())
