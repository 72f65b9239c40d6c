"""What `natsgen new worker` is measured against: Copier and cookiecutter, which make the same tree.

Copier takes natsgen's own template from a plain folder: one in git it would clone first. Cookiecutter takes an
equivalent that is made here: the same files with the same variables, without what it does not have (a file for each
handler, files under a condition), which this one worker needs not.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from benchmarks.tool_commands import Command
from natsgen.parts import packages
from natsgen.parts.handlers import HANDLERS

ANSWERS_FILE = ".copier-answers.yml"  # each tool's own: Copier notes where the template was
_HANDLER = re.compile(r"\{% yield handler from handlers %\}\{% if not .*? %\}(.*?)\{% endif %\}\{% endyield %\}")
_BRANCHES = ("{% yield", "{% if")
_SERVICE = "services/{{ service_name }}/"


def copier(template: Path, answers: Mapping[str, Any]) -> Command:
    """Return the command line of Copier that renders the template in `template` into the folder where it is run."""
    data = [part for key, value in answers.items() for part in ("--data", f"{key}={_as_yaml(value)}")]
    return [sys.executable, "-m", "copier", "copy", "--defaults", "--quiet", *data, template, "."]


def cookiecutter(python: Path, template: Path) -> Command:
    """Return the command line of cookiecutter that renders the result of `make_cookiecutter` in the current folder."""
    return [python, "-m", "cookiecutter", "--no-input", template]


def make_plain(source: Path, target: Path) -> Path:
    """Copy natsgen's template from its checkout into a folder that is no checkout; return that."""
    target.mkdir(parents=True)
    shutil.copy(source / "copier.yml", target)
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache", ".venv")
    for name in ("template", "includes"):
        shutil.copytree(source / name, target / name, ignore=ignored)
    return target


def make_cookiecutter(plain: Path, target: Path, answers: Mapping[str, Any]) -> Path:
    """Make a cookiecutter template that renders what Copier renders of `plain` with these answers; return it.

    Args:
        plain: natsgen's template, as `make_plain` copied it.
        target: the folder to make.
        answers: an answer for every question, with one handler, which become cookiecutter's defaults.
    """
    ((handler, subject),) = answers["handlers"].items()
    every_option = {"subject": subject, "durable": "", "concurrency": ""}  # it takes no missing ones
    root = target / "{{ cookiecutter.workspace }}"
    names = [*answers, "handler"]
    variables = "".join(f"{{% set {name} = cookiecutter.{name} %}}" for name in names)
    variables += f"{{% set packages = {[HANDLERS.question]} %}}"  # which Copier computes
    rendered, copied = set(), set()
    for file in sorted(path for path in (plain / "template").rglob("*") if path.is_file()):
        path = _path(file.relative_to(plain / "template"))
        if path is None:
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".jinja":
            text = re.sub(r"to_json(\(ensure_ascii=false\))?", "jsonify", file.read_text(encoding="utf-8"))
            (root / path).write_text(variables + text, encoding="utf-8")
            rendered.add(root.relative_to(target) / path)
        else:
            shutil.copy(file, root / path)
            copied.add(root.relative_to(target) / path)
    shutil.copytree(plain / "includes", target / "templates" / "includes")
    settings = {
        **{key: answer for key, answer in answers.items() if answer != []},  # a list is a choice of one of it
        "handlers": {handler: every_option},
        "handler": handler,
        "_copy_without_render": sorted(set(_patterns(rendered, copied))),
    }
    (target / "cookiecutter.json").write_text(json.dumps(settings, indent=2))
    return target


def files_of(folder: Path) -> dict[str, bytes]:
    """Return what a tool made in a folder, without the answers file, which is each tool's own."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ANSWERS_FILE)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _path(path: Path) -> Path | None:
    """Return where a file of natsgen's template is in cookiecutter's; None if the worker does not have it."""
    text = _HANDLER.sub(r"\1", path.as_posix()).removesuffix(".jinja")
    if "_copier_conf" in text or any(part in text for part in _BRANCHES):
        return None
    of_packages = packages.of_path(PurePosixPath(text.removeprefix(_SERVICE))) + packages.sharing(PurePosixPath(text))
    if of_packages and HANDLERS.question not in of_packages:
        return None  # Copier leaves them out of a worker by `_exclude`
    return Path(re.sub(r"\{\{ (\w+) \}\}", r"{{ cookiecutter.\1 }}", text))


def _patterns(rendered: set[Path], copied: set[Path]) -> Iterator[str]:
    """Return what cookiecutter copies as it is: whole folders where it may, so that it has little to compare."""
    mixed = {parent for path in rendered for parent in path.parents}
    for path in copied:
        topmost = next((parent for parent in reversed(path.parents) if parent not in mixed), None)
        yield f"{topmost}/*" if topmost else str(path)


def _as_yaml(value: Any) -> str:
    """Return an answer as `--data` takes it."""
    return value if isinstance(value, str) else json.dumps(value)
