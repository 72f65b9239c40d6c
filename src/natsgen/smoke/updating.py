"""How a sample that an earlier version of the template made is brought to the template as it is."""

from __future__ import annotations

import os
import sys
from pathlib import Path, PurePosixPath
from shutil import which

import natsgen
from natsgen import messages
from natsgen.answers import answers_file
from natsgen.files import tree
from natsgen.files.tree import File, Tree
from natsgen.services import ownership
from natsgen.smoke import earlier
from natsgen.smoke.earlier import SECOND, EarlierVersions
from natsgen.smoke.steps import CheckFailed, LeftOut
from natsgen.smoke.work import Work
from natsgen.workspace import COMPOSE, SERVICES, Workspace

UPDATE = "update"
UPDATE_SECONDS = 120.0
BYTECODE = "__pycache__"
OWN_LINE = b"# a person's own line\n"


class Updating:
    """The update of one sample.

    Args:
        work: the sample.
        versions: the version before its template.
    """

    def __init__(self, work: Work, versions: EarlierVersions) -> None:
        self._work = work
        self._versions = versions
        # of the same name, which may be an answer
        self._workspace = Workspace(work.root / "update" / work.workspace.root.name)

    def update(self) -> str:
        """Check that `natsgen update` gives what a new service has, and leaves the owner's files alone."""
        if which("git") is None:
            raise LeftOut("there is no `git` program on this machine")
        wanted = _files(self._work.workspace.root)
        self._work.make(self._workspace, self._versions.of(self._work.template))
        own = self._write_own()
        root = self._workspace.root
        earlier.git(root, "init", "--quiet")
        earlier.git(root, "add", "--all")
        earlier.git(root, "commit", "--quiet", "--message", "made")
        self._run_update()
        self._check({**wanted, **own})
        return f"from {earlier.FIRST} to {SECOND}, {len(own)} of a person's files untouched"

    def _write_own(self) -> Tree:
        """Changes what a person owns: a part, and `.env`, which is in no repository."""
        folder = PurePosixPath(SERVICES, self._work.service)
        made = _files(self._workspace.root)
        parts = [path for path in made if ownership.is_persons(self._work.service, path)]
        own = {path: File(made[path].content + OWN_LINE) for path in parts[:1]}
        own[folder / ".env"] = File(b"LOG_LEVEL=DEBUG\n")
        for path, file in own.items():
            self._workspace.path(path).write_bytes(file.content)
        return own

    def _run_update(self) -> None:
        words = (sys.executable, "-m", "natsgen", "update", self._work.service, "--no-input", "--trust-template")
        environment = {
            "PYTHONPATH": str(Path(natsgen.__file__).parents[1]),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "XDG_CONFIG_HOME": os.devnull,  # so that nothing is remembered of a template that is gone afterwards
        }
        self._work.command(
            *words,
            limit=UPDATE_SECONDS,
            what="it cannot be updated from a version before",
            folder=self._workspace.root,
            environment=environment,
        )

    def _check(self, wanted: Tree) -> None:
        found = _files(self._workspace.root)
        answers = ownership.answers_file(self._work.service)
        if differing := [path for path in tree.differences(wanted, found) if path != str(answers)]:
            raise CheckFailed(f"after an update these files are not as they are made: {messages.join_names(differing)}")
        was, now = (answers_file.read(place.path(answers).parent) for place in (self._work.workspace, self._workspace))
        if now.commit != SECOND or now.values != was.values:
            raise CheckFailed(f"after an update {answers} says {now.commit}, not {SECOND}, or other answers")


def _files(root: Path) -> Tree:
    """The files of a workspace that a service has to do with, as they were made: its own tests leave bytecode."""
    found = tree.read(root).items()
    return {path: file for path, file in found if path.parts[0] in (SERVICES, COMPOSE) and BYTECODE not in path.parts}
