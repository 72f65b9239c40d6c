"""How a sample takes more parts and extras, with the packages that they need, and loses them again without a trace."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath

from natsgen.files import tree
from natsgen.files.tree import Tree
from natsgen.parts import packages
from natsgen.parts.kind import Part
from natsgen.parts.routes import ROUTES
from natsgen.services import edit, extras, service_packages
from natsgen.services.edit import ServiceTarget
from natsgen.smoke import lifecycle
from natsgen.smoke.additions import ADDITIONS, Addition
from natsgen.smoke.alive import READY, START
from natsgen.smoke.gates import ENVIRONMENT, GENERATE, Gates
from natsgen.smoke.live import Live, Running
from natsgen.smoke.steps import CheckFailed, NothingToDo, Step
from natsgen.smoke.work import ONE_AT_A_TIME, Work
from natsgen.workspace import SERVICES

Check = Callable[[Live], str | None]

REMOVE = "remove"
EXTRAS = "extras"


class Growing:
    """The growth of one sample.

    Args:
        work: the sample.
        run: gives a place where the grown service runs.
    """

    def __init__(self, work: Work, run: Callable[[], Running]) -> None:
        self._work = work
        self._run = run
        self._gates = Gates(work)
        self._before: Tree = {}
        self._added: list[tuple[Addition, Part]] = []

    def steps(self) -> list[Step]:
        """In the order in which a person would do it."""
        names = [addition.step for addition in ADDITIONS]
        additions = [
            Step(one.step, partial(self.add, one), (ENVIRONMENT, *names[:number]))
            for number, one in enumerate(ADDITIONS)
        ]
        grown = (ENVIRONMENT, *names)
        return [
            *additions,
            Step("grown ruff", self.lint, (*grown, "ruff", "format")),
            Step("grown mypy", self._gates.types, (*grown, "mypy")),
            Step("grown tests", self.tests, (*grown, "tests")),
            Step("grown run", self.run, (*grown, START, READY)),
            Step(REMOVE, self.remove, grown),
            Step(EXTRAS, self.extras, (GENERATE,)),
        ]

    def add(self, addition: Addition) -> str:
        """Add a part as `natsgen add-...` does, and check that only its files, test and packages are added."""
        self._before = self._before or tree.read(self._work.workspace.root)
        question = addition.kind.question
        if question not in self._work.questionnaire.questions:
            raise NothingToDo(f"the template asks for no {question}")
        if addition.kind is ROUTES and not self._work.sample.shape.framework:
            raise NothingToDo("it is no gateway")
        part = addition.part(self._work.service)
        had = packages.found(self._work.folder)
        with ONE_AT_A_TIME:
            edit.add(self._site, part)
        self._added.append((addition, part))
        return self._check_added(packages.found(self._work.folder) - had)

    def lint(self) -> None:
        """Check that ruff finds nothing in the added parts."""
        self._gates.ruff()
        self._gates.format()

    def tests(self) -> str:
        """Check that the tests of the added parts pass."""
        return self._gates.tests(*(str(addition.kind.test(part.name)) for addition, part in self._added))

    def run(self) -> str:
        """Check that the service finds the added parts when it starts, and that they work."""
        running = self._run()
        parts = {addition.kind.question: (part,) for addition, part in self._added}
        live = Live(self._work, running, **parts)  # type: ignore[arg-type]
        checks: list[Check] = [lifecycle.start, lifecycle.ready, self._found]
        checks += [addition.check for addition, _ in self._added]
        try:
            seen = [live.guarded(check)() for check in (*checks, lifecycle.stop)]
        finally:
            running.end()
        return "; ".join(one for one in seen if one)

    def remove(self) -> str:
        """Check that removing the added parts restores the workspace byte for byte."""
        for addition, part in reversed(self._added):
            with ONE_AT_A_TIME:
                edit.remove(self._site, addition.kind, part.name, force=False)
        if changed := tree.differences(self._before, tree.read(self._work.workspace.root)):
            raise CheckFailed(f"adding and removing left a trace: {', '.join(changed)}")
        return "as before"

    def extras(self) -> str:
        """Check that removing and adding the extras restores the workspace."""
        answers = {**self._work.sample.answers, packages.EXTRAS: []}
        needed = packages.needed(self._work.folder, answers)
        names = [name for name in self._work.sample.answers.get(packages.EXTRAS, ()) if name not in needed]
        if not names:
            raise NothingToDo("it has no extras that nothing else needs")
        before = tree.read(self._work.workspace.root)
        with ONE_AT_A_TIME:
            extras.remove(self._site, names, force=False)
            if left := packages.found(self._work.folder) & set(names):
                raise CheckFailed(f"these extras were to go, and stayed: {', '.join(sorted(left))}")
            extras.add(self._site, names)
        if changed := tree.differences(before, tree.read(self._work.workspace.root)):
            raise CheckFailed(f"removing and adding extras left a trace: {', '.join(changed)}")
        return f"{', '.join(names)} went and came"

    @property
    def _site(self) -> ServiceTarget:
        work = self._work
        return ServiceTarget(
            work.workspace, work.template, work.questionnaire, work.service, dry_run=False, notify=_silent
        )

    def _check_added(self, came: frozenset[str]) -> str:
        """Check that each part came with its test and with the packages that it needs, and that nothing else did."""
        expected = {
            str(path) for addition, part in self._added for path in addition.kind.paths(self._work.service, part.name)
        }
        changed = set(tree.differences(self._before, tree.read(self._work.workspace.root)))
        needed = packages.closure(name for addition, _ in self._added for name in addition.kind.needs)
        others = sorted(path for path in changed - expected if not self._is_of(path, needed))
        if others or not expected <= changed:
            raise CheckFailed(
                f"these files were to come: {sorted(expected)}, and these came or changed: {sorted(changed)}"
            )
        return f"2 files, and {service_packages.told(came)}" if came else "2 files"

    def _is_of(self, path: str, names: frozenset[str]) -> bool:
        """Return whether a path in the workspace is a file of one of the packages, which was not there before."""
        place = PurePosixPath(SERVICES, self._work.service)
        whole = PurePosixPath(path)
        return (
            whole.is_relative_to(place)
            and whole not in self._before
            and not names.isdisjoint(packages.of_path(whole.relative_to(place)))
        )

    def _found(self, live: Live) -> str | None:
        found = lifecycle.found(live)
        missing = [
            f"{noun} {name}" for noun, names in lifecycle.wanted(live).items() for name in sorted(names - found[noun])
        ]
        if missing:
            raise live.failure(f"what was added was not found by the service: {', '.join(missing)}")
        return None


def _silent(_: str) -> None:
    """Nobody is told of interrupted commands: the workspace is the run's own."""
