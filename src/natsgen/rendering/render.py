"""Renders a template with answers into a tree of files: the only module that runs Copier or replaces it."""

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
from natsgen.files import scratch, tree
from natsgen.files.tree import File, Tree
from natsgen.files.workspace import ANSWERS_FILE
from natsgen.parts import facts, packages
from natsgen.parts.facts import Facts
from natsgen.parts.kind import Part, PartKind
from natsgen.parts.kinds import KINDS
from natsgen.rendering import copier_worker, limits, template_rules
from natsgen.rendering.template_source import REPOSITORY, TemplateSource

_SUFFIX = ".jinja"
_END_YIELD = "{% endyield %}"
_UNPLAIN = re.compile(r"[^\w./:@+~-]|^[@:-]|:$", re.ASCII)  # text to quote in YAML, and some that needs no quotes
_SOURCE_KEYS = re.compile(r"^(_commit|_src_path):.*\n([ \t]+.*\n)*", re.MULTILINE)


def render(
    template: TemplateSource,
    data: Mapping[str, Any],
    workspace_name: str = "tree",
    with_packages: Collection[str] | None = None,
    with_facts: Facts | None = None,
) -> Tree:
    """Render the template.

    Args:
        template: the template.
        data: a checked answer for every question, so that Copier neither prompts nor uses the user's defaults.
        workspace_name: the name of the workspace's folder, which the template may derive a default from.
        with_packages: the packages of the service; None for those that the answers need. A template without packages
            ignores them.
        with_facts: the facts of the service's source; None for those that follow from the answers.

    Returns:
        The files by their path relative to the workspace. The answers file names the template's stable source.

    Raises:
        TemplateError: the template breaks a rule, or Copier rejects the template or the answers.
    """
    template_rules.check(template)
    computed = questions.read(template.folder).computed
    if with_packages is not None and packages.QUESTION in computed:
        data = {**data, packages.QUESTION: sorted(with_packages)}
    if with_facts is not None and facts.QUESTION in computed:
        data = {**data, facts.QUESTION: dict(with_facts)}
    with scratch.folder() as folder:
        target = folder / workspace_name
        copier_worker.worker_class()  # imports before the limits apply: an interrupted import would break later ones
        with _limits(template):
            _run_copier(template.folder, target, data)
        rendered = tree.read(target)
    template_rules.check_written(template, rendered, data["service_name"])
    return {path: _with_stable_source(path, file, template) for path, file in rendered.items()}


def knows_packages(template: TemplateSource) -> bool:
    """Return whether a template renders only the packages that a service needs; older ones and forks may not."""
    return packages.QUESTION in questions.read(template.folder).computed


def render_part(template: TemplateSource, data: Mapping[str, Any], part: Part) -> Tree:
    """Render only the files of one part, byte for byte as `render` does, but without importing Copier.

    Args:
        template: the template.
        data: see `render`; the parts in it are ignored.
        part: the part.

    Returns:
        Its file and its test.

    Raises:
        TemplateError: the template does not render them, or rejects the answers.
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
        rendered = render(template, only)  # Copier's error is the most precise
    if paths[0] not in rendered:
        raise TemplateError(f"the template in {template.folder} does not contain {paths[0]}: reinstall natsgen")
    return {path: rendered[path] for path in paths if path in rendered}


def _render_yielded_files(template: Path, context: Mapping[str, Any], kind: PartKind) -> Tree:
    """Return the files that the template renders for each part, in an environment like Copier's; none on failure."""
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
            if path.suffix:  # a condition may render an empty name, which means no file
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
        # Without git on PATH, Copier renders the folder as it is. With git, it would clone a checkout at its latest
        # tag, follow a GIT_DIR in the environment, and run git once for every file.
        with local.env(PATH=""), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are for the template's authors
            with copier_worker.worker_class()(
                src_path=str(template),
                dst_path=target,
                data=dict(data),
                defaults=True,
                overwrite=True,
                quiet=True,
                settings={},  # not the user's, which may trust more
            ) as worker:
                worker.run_copy()
    except Exception as error:  # a template can raise anything in Copier and Jinja
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
