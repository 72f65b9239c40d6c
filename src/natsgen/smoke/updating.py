"""How a sample that an earlier version of the template made is brought to the template as it is."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from natsgen import messages
from natsgen.answers import answers_file, questions
from natsgen.files import tree
from natsgen.files.tree import File, Tree
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import ownership
from natsgen.smoke.steps import CheckFailed, LeftOut
from natsgen.smoke.work import Work, need_program
from natsgen.workspace import COMPOSE, SERVICES, Workspace

FIRST, SECOND = "v1.0.0", "v2.0.0"
UPDATE_SECONDS = 120.0
GIT_SECONDS = 60.0
PERSON = ("-c", "user.name=natsgen", "-c", "user.email=natsgen@example.org", "-c", "core.autocrlf=false")
LITTER = shutil.ignore_patterns("__pycache__", ".*_cache", ".venv", ".git")
BYTECODE = "__pycache__"
GONE = "only_in_the_version_before.txt"
LINE = "# only in the version before\n"
OWN_LINE = b"# a person's own line\n"


def update(work: Work) -> str:
    """Check that `natsgen update` gives what a new service has, and leaves the owner's files alone."""
    need_program("git")
    wanted = _files(work.workspace.root)
    workspace = Workspace(work.root / "update" / work.workspace.root.name)  # of the same name, which may be an answer
    work.make(workspace, earlier_version(work, work.root / "versions"))
    own = _write_own(work, workspace)
    root = workspace.root
    _git(work, root, "init", "--quiet")
    _commit(work, root, FIRST)
    words = (sys.executable, "-m", "natsgen", "update", work.service, "--no-input", "--trust-template")
    work.command(*words, limit=UPDATE_SECONDS, what="it cannot be updated from a version before", folder=root)
    _check(work, workspace, {**wanted, **own})
    return f"from {FIRST} to {SECOND}, {len(own)} of a person's files untouched"


def earlier_version(work: Work, folder: Path) -> TemplateSource:
    """Return a version before the sample's template; its address is a repository in `folder` that has both.

    Raises:
        LeftOut: there is no file in the template that could differ.
    """
    repository = folder / "repository.git"
    earlier, current = folder / FIRST, folder / SECOND
    parts = list(_parts(work.template.folder))  # before there are copies, which may be beneath it
    for copy in (earlier, current):
        copy.mkdir(parents=True)
        shutil.copy(work.template.folder / questions.FILE, copy)
        for part in parts:
            shutil.copytree(part, copy / part.name, ignore=LITTER)
    _go_back(earlier)
    _git(work, folder, "init", "--quiet", "--bare", str(repository))
    for files in (earlier, current):
        _commit(work, files, files.name, f"--git-dir={repository}", f"--work-tree={files}")
    return TemplateSource(earlier, str(repository), FIRST)


def _parts(template: Path) -> Iterator[Path]:
    """Yield the folders with files that are rendered."""
    for folder in template.iterdir():
        if folder.is_dir() and folder.name[0] != "." and any(folder.rglob("*.jinja")):
            yield folder


def _go_back(template: Path) -> None:
    """Make the version before: a file differs, one is not there yet, and one is that will be gone."""
    services = [folder for folder in template.rglob("services/*service_name*") if folder.is_dir()]
    plain = [file for folder in services for file in sorted(folder.rglob("*.py")) if file.stat().st_size]
    if not plain:
        raise LeftOut("no file of the template could differ in a version before it")
    changed = next((file for file in plain if file.match("src/main.py")), plain[0])
    changed.write_text(changed.read_text(encoding="utf-8") + LINE, encoding="utf-8")
    (services[0] / GONE).write_text(LINE, encoding="utf-8")
    if plain[-1] != changed:
        plain[-1].unlink()


def _git(work: Work, folder: Path, *words: str) -> None:
    work.command("git", *PERSON, *words, limit=GIT_SECONDS, what="git refuses", folder=folder)


def _commit(work: Work, files: Path, version: str, *options: str) -> None:
    """Commit a folder, ignored files included, and tag it."""
    _git(work, files, *options, "add", "--all", "--force", ".")
    _git(work, files, *options, "commit", "--quiet", "--allow-empty", "--message", version)
    _git(work, files, *options, "tag", version)


def _write_own(work: Work, workspace: Workspace) -> Tree:
    """Change what a person owns: a part, and `.env`, which is in no repository."""
    made = _files(workspace.root)
    parts = [path for path in made if ownership.is_persons(work.service, path)]
    own = {path: File(made[path].content + OWN_LINE) for path in parts[:1]}
    own[PurePosixPath(SERVICES, work.service, ".env")] = File(b"LOG_LEVEL=DEBUG\n")
    for path, file in own.items():
        workspace.path(path).write_bytes(file.content)
    return own


def _check(work: Work, workspace: Workspace, wanted: Tree) -> None:
    answers = ownership.answers_file(work.service)
    differing = [path for path in tree.differences(wanted, _files(workspace.root)) if path != str(answers)]
    if differing:
        raise CheckFailed(f"after an update these files are not as they are made: {messages.join_names(differing)}")
    was, now = (answers_file.read(place.path(answers).parent) for place in (work.workspace, workspace))
    if now.commit != SECOND or now.values != was.values:
        raise CheckFailed(f"after an update {answers} says {now.commit}, not {SECOND}, or other answers")


def _files(root: Path) -> Tree:
    """Return the files of a workspace that a service has to do with, without the bytecode that its own tests leave."""
    found = tree.read(root).items()
    return {path: file for path, file in found if path.parts[0] in (SERVICES, COMPOSE) and BYTECODE not in path.parts}
