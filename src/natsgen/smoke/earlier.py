"""Two versions of a template in a repository: the template as it is, and one before it that differs in a few files."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from natsgen.harness.commands import run
from natsgen.rendering.template_source import TemplateSource
from natsgen.smoke.steps import NothingToDo

FIRST, SECOND = "v1.0.0", "v2.0.0"
QUESTIONS = "copier.yml"
SERVICES = "services/*service_name*"
"""The folder of a service in a template's files, whose name is a question's answer."""
MAIN = "src/main.py"
GONE = "only_in_the_version_before.txt"
LINE = "# only in the version before\n"
GIT_SECONDS = 60.0
PERSON = ("-c", "user.name=natsgen", "-c", "user.email=natsgen@example.org", "-c", "core.autocrlf=false")


class EarlierVersions:
    """The earlier versions of the templates of a run, each made once, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._made: dict[Path, TemplateSource] = {}

    def of(self, template: TemplateSource) -> TemplateSource:
        """Return the version before a template, with the repository that has both as its address.

        Raises:
            NothingToDo: there is no file in the template that could differ.
            HarnessError: git refuses, or there is none.
        """
        with self._lock:
            if template.folder not in self._made:
                self._made[template.folder] = _make(template.folder, self._folder / str(len(self._made)))
            return self._made[template.folder]


def git(folder: Path, *words: str | Path) -> None:
    """Runs git in a folder, whatever a person has configured.

    Raises:
        HarnessError: it refuses, or there is none.
    """
    run(["git", *map(str, (*PERSON, *words))], limit=GIT_SECONDS, folder=folder, environment=environment())


def environment() -> Mapping[str, str]:
    """This process's environment, in which nothing counts that a person told git."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}


@dataclass(frozen=True)
class _Repository:
    """A bare repository, which a clone is made of."""

    folder: Path

    def make(self) -> None:
        git(self.folder.parent, "init", "--quiet", "--bare", self.folder)

    def commit(self, files: Path, version: str) -> None:
        """Takes a folder, ignored files included, for a version."""
        of = (f"--git-dir={self.folder}", f"--work-tree={files}")
        git(files, *of, "add", "--all", "--force", ".")
        git(files, *of, "commit", "--quiet", "--allow-empty", "--message", version)
        git(files, *of, "tag", version)


def _make(template: Path, folder: Path) -> TemplateSource:
    earlier, current, repository = folder / "earlier", folder / "current", _Repository(folder / "repository.git")
    parts = list(_parts(template))  # before there are copies, which may be beneath it
    for copy in (earlier, current):
        copy.mkdir(parents=True)
        for part in parts:
            if part.is_dir():
                litter = shutil.ignore_patterns("__pycache__", ".*_cache", ".venv", ".git")
                shutil.copytree(part, copy / part.name, ignore=litter)
            else:
                shutil.copy(part, copy)
    _go_back(earlier)
    repository.make()
    repository.commit(earlier, FIRST)
    repository.commit(current, SECOND)
    return TemplateSource(earlier, str(repository.folder), FIRST)


def _parts(template: Path) -> Iterator[Path]:
    """Yield what a rendering needs: the questions, and the folders with files that are rendered."""
    yield template / QUESTIONS
    for folder in template.iterdir():
        if folder.is_dir() and not folder.name.startswith(".") and any(folder.rglob("*.jinja")):
            yield folder


def _go_back(template: Path) -> None:
    """Makes the version before: a file differs, one is not there yet, and one is that will be gone."""
    service = next((one for pattern in (SERVICES, f"*/{SERVICES}") for one in template.glob(pattern)), None)
    plain = [file for file in sorted(service.rglob("*.py")) if file.read_text().strip()] if service else []
    if service is None or not plain:
        raise NothingToDo("no file of the template could differ in a version before it")
    main = service / MAIN if (service / MAIN).is_file() else plain[0]
    main.write_text(main.read_text(encoding="utf-8") + LINE, encoding="utf-8")
    (service / GONE).write_text(LINE, encoding="utf-8")
    if (new := plain[-1]) != main:
        new.unlink()
