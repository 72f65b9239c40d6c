"""Adding parts and extras to a sample, with the packages that they need, and removing them without a trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from natsgen.files import tree
from natsgen.files.tree import Tree
from natsgen.files.workspace import SERVICES
from natsgen.parts import packages
from natsgen.parts.actions import Action
from natsgen.parts.handlers import Handler
from natsgen.parts.kind import Part
from natsgen.parts.publishers import Publisher
from natsgen.parts.routes import Route
from natsgen.parts.subscribers import Subscriber
from natsgen.parts.tasks import Task
from natsgen.services import edit, extras
from natsgen.services.edit import ServiceTarget
from natsgen.smoke import checks, lifecycle
from natsgen.smoke.gates import ENVIRONMENT, GENERATE, Gates
from natsgen.smoke.running import Running
from natsgen.smoke.steps import CheckFailed, Step
from natsgen.smoke.work import ONE_AT_A_TIME, Work

ADD = "add"


class Growing:
    """Adds parts and extras to one sample, and removes them.

    Args:
        work: the sample.
        run: returns the grown service, ready to start, with the parts that it must have.
    """

    def __init__(self, work: Work, run: Callable[[Sequence[Part]], Running]) -> None:
        self._work = work
        self._run = run
        self._gates = Gates(work)
        self._before: Tree = {}
        self._parts = _additions(work)
        self._extras = list(work.sample.answers.get(packages.EXTRAS, ()))

    def steps(self) -> list[Step]:
        """Return the steps, in the order of a typical session."""
        grown = (ENVIRONMENT, ADD)
        found = [
            Step(ADD, self.add, (ENVIRONMENT,)),
            Step("grown ruff", self.lint, (*grown, "ruff", "format")),
            Step("grown mypy", self._gates.types, (*grown, "mypy")),
            Step("grown tests", self.tests, (*grown, "tests")),
            Step("grown run", self.run, (*grown, *checks.UP)),
            Step("remove", self.remove, grown),
        ]
        return [*found, Step("extras", self.extras, (GENERATE,))] if self._extras else found

    def add(self) -> str:
        """Add a part of each kind as `natsgen add-...` does, and check that only deployment files change with them."""
        self._before = tree.read(self._work.workspace.root)
        for part in self._parts:
            with ONE_AT_A_TIME:
                edit.add(self._target, part)
        after = tree.read(self._work.workspace.root)
        deploys = PurePosixPath(SERVICES, self._work.service, "deploy")
        there = {path: file for path, file in self._before.items() if not path.is_relative_to(deploys)}
        if changed := tree.differences(there, {path: after[path] for path in there if path in after}):
            raise CheckFailed(f"adding parts changed existing files: {', '.join(changed)}")
        expected = {path for part in self._parts for path in part.kind.paths(self._work.service, part.name)}
        if missing := sorted(map(str, expected - after.keys())):
            raise CheckFailed(f"files of the added parts are missing: {', '.join(missing)}")
        return f"{len(self._parts)} parts, {len(after) - len(self._before)} files"

    def lint(self) -> None:
        """Check that ruff finds nothing in the added parts."""
        self._gates.ruff()
        self._gates.format()

    def tests(self) -> str:
        """Check that the tests of the added parts pass."""
        return self._gates.tests(*(str(part.kind.test(part.name)) for part in self._parts))

    def run(self) -> str:
        """Check that the service finds the added parts when it starts, and that they work."""
        run = self._run(self._parts)
        wanted = [check for kind, _, check, _ in checks.OF_PARTS if run.parts(kind)]
        all_checks = (lifecycle.start, lifecycle.ready, lifecycle.found, *wanted, lifecycle.stop)
        try:
            seen = [run.guarded(check)() for check in all_checks]
        finally:
            run.end()
        return "; ".join(filter(None, seen))

    def remove(self) -> str:
        """Check that removing the added parts restores the workspace byte for byte."""
        for part in reversed(self._parts):
            with ONE_AT_A_TIME:
                edit.remove(self._target, part.kind, part.name, force=False)
        return self._restored(self._before)

    def extras(self) -> str:
        """Check that removing and adding the extras restores the workspace."""
        needed = packages.needed(self._work.folder, {**self._work.sample.answers, packages.EXTRAS: []})
        names = [name for name in self._extras if name not in needed]
        before = tree.read(self._work.workspace.root)
        with ONE_AT_A_TIME:
            extras.remove(self._target, names, force=False)
            if left := packages.found(self._work.folder) & set(names):
                raise CheckFailed(f"these extras were not removed: {', '.join(sorted(left))}")
            extras.add(self._target, names)
        return f"{', '.join(names)} removed and added again, {self._restored(before)}"

    @property
    def _target(self) -> ServiceTarget:
        work = self._work
        return ServiceTarget(work.workspace, False, lambda _: None, work.template, work.questionnaire, work.service)

    def _restored(self, before: Tree) -> str:
        if changed := tree.differences(before, tree.read(self._work.workspace.root)):
            raise CheckFailed(f"adding and removing left a trace: {', '.join(changed)}")
        return "workspace as before"


def _additions(work: Work) -> list[Part]:
    """Return a part of each kind that the template has, in the order of adding."""
    action = Action("smoke_added", version=3, concurrency=2, timeout=1.5)
    parts: list[Part] = [
        Handler("smoke_added", "additions.addition.made", concurrency=2),
        action,
        Task("smoke_added_work", "additions", priority="high", timeout=10),
        Publisher("smoke_added", "added.publisher.ticked", interval=0.1),
        Subscriber("smoke_added", "added.subscriber.*", queue_group="smoke-added"),
    ]
    if work.sample.shape.framework:
        parts.append(Route("smoke_added", "GET", "/smoke/{name}", call=action.subject_in(work.service)))
    return [part for part in parts if part.kind.question in work.questionnaire.questions]
