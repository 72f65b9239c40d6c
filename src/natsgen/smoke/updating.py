"""Updating a sample from an earlier version of its template to the current one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from natsgen import messages
from natsgen.answers import answers_file, questions
from natsgen.files import tree
from natsgen.files.tree import File, Tree
from natsgen.files.workspace import COMPOSE, SERVICES, Workspace
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import ownership
from natsgen.smoke.steps import CheckFailed, LeftOut
from natsgen.smoke.work import Work, need_program

FIRST, SECOND = "v1.0.0", "v2.0.0"
UPDATE_SECONDS = 120.0
GIT_SECONDS = 60.0
GIT_OPTIONS = ("-c", "user.name=natsgen", "-c", "user.email=natsgen@example.org", "-c", "core.autocrlf=false")
IGNORED = shutil.ignore_patterns("__pycache__", ".*_cache", ".venv", ".git")
BYTECODE = "__pycache__"
GONE = "only_in_the_earlier_version.txt"
LINE = "# only in the earlier version\n"
OWN_LINE = b"# the owner's line\n"


def update(work: Work) -> str:
    """Check that an updated service equals a new one, and that the owner's files are unchanged."""
    need_program("git")
    wanted = _files(work.workspace.root)
    workspace = Workspace(work.root / "update" / work.workspace.root.name)  # the same name, which may be an answer
    work.create(workspace, earlier_version(work, work.root / "versions"))
    own = _write_own(work, workspace)
    root = workspace.root
    _git(work, root, "init", "--quiet")
    _commit(work, root, FIRST)
    words = (sys.executable, "-m", "natsgen", "update", work.service, "--no-input", "--trust-template")
    work.command(*words, limit=UPDATE_SECONDS, what="the update from an earlier version failed", folder=root)
    _check(work, workspace, {**wanted, **own})
    return f"from {FIRST} to {SECOND}, {len(own)} of the owner's files unchanged"


def earlier_version(work: Work, folder: Path) -> TemplateSource:
    """Return an earlier version of the sample's template, from a repository in `folder` that has both versions.

    Raises:
        LeftOut: the template has no file that could differ.
    """
    repository = folder / "repository.git"
    earlier, current = folder / FIRST, folder / SECOND
    parts = list(_parts(work.template.folder))  # before copying, because the copies may be inside it
    for copy in (earlier, current):
        copy.mkdir(parents=True)
        shutil.copy(work.template.folder / questions.FILE, copy)
        for part in parts:
            shutil.copytree(part, copy / part.name, ignore=IGNORED)
    _make_earlier(earlier)
    _git(work, folder, "init", "--quiet", "--bare", str(repository))
    for files in (earlier, current):
        _commit(work, files, files.name, f"--git-dir={repository}", f"--work-tree={files}")
    return TemplateSource(earlier, str(repository), FIRST)


def _parts(template: Path) -> Iterator[Path]:
    """Yield the folders with rendered files."""
    for folder in template.iterdir():
        if folder.is_dir() and folder.name[0] != "." and any(folder.rglob("*.jinja")):
            yield folder


def _make_earlier(template: Path) -> None:
    """Turn the template into an earlier version: change one file, remove one, and add one."""
    services = [folder for folder in template.rglob("services/*service_name*") if folder.is_dir()]
    plain = [file for folder in services for file in sorted(folder.rglob("*.py")) if file.stat().st_size]
    if not plain:
        raise LeftOut("the template has no file that could differ in an earlier version")
    changed = next((file for file in plain if file.match("src/main.py")), plain[0])
    changed.write_text(changed.read_text(encoding="utf-8") + LINE, encoding="utf-8")
    (services[0] / GONE).write_text(LINE, encoding="utf-8")
    if plain[-1] != changed:
        plain[-1].unlink()


def _git(work: Work, folder: Path, *words: str) -> None:
    work.command("git", *GIT_OPTIONS, *words, limit=GIT_SECONDS, what="git failed", folder=folder)


def _commit(work: Work, files: Path, version: str, *options: str) -> None:
    """Commit a folder, ignored files included, and tag it."""
    _git(work, files, *options, "add", "--all", "--force", ".")
    _git(work, files, *options, "commit", "--quiet", "--allow-empty", "--message", version)
    _git(work, files, *options, "tag", version)


def _write_own(work: Work, workspace: Workspace) -> Tree:
    """Change files that the owner owns: a part, and `.env`, which is not committed."""
    files = _files(workspace.root)
    parts = [path for path in files if ownership.is_owners_part(work.service, path)]
    own = {path: File(files[path].content + OWN_LINE) for path in parts[:1]}
    own[PurePosixPath(SERVICES, work.service, ".env")] = File(b"LOG_LEVEL=DEBUG\n")
    for path, file in own.items():
        workspace.path(path).write_bytes(file.content)
    return own


def _check(work: Work, workspace: Workspace, wanted: Tree) -> None:
    answers = ownership.answers_file(work.service)
    differing = [path for path in tree.differences(wanted, _files(workspace.root)) if path != str(answers)]
    if differing:
        raise CheckFailed(f"after the update these files differ from a new service's: {messages.join_names(differing)}")
    was, now = (answers_file.read(place.path(answers).parent) for place in (work.workspace, workspace))
    if now.commit != SECOND or now.values != was.values:
        raise CheckFailed(f"after the update {answers} has the version {now.commit}, not {SECOND}, or other answers")


def _files(root: Path) -> Tree:
    """Return the files of a workspace that belong to its service, without the bytecode from its tests."""
    found = tree.read(root).items()
    return {path: file for path, file in found if path.parts[0] in (SERVICES, COMPOSE) and BYTECODE not in path.parts}
