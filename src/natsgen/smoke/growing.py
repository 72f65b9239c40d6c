"""How a sample takes more parts, and loses them again without a trace."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from natsgen import tree
from natsgen.growth import Site
from natsgen.parts import ROUTES, Part
from natsgen.smoke import lifecycle
from natsgen.smoke.additions import ADDITIONS, Addition
from natsgen.smoke.alive import READY, START
from natsgen.smoke.gates import ENVIRONMENT, Gates
from natsgen.smoke.live import Live
from natsgen.smoke.outcome import CheckFailed, NothingToDo
from natsgen.smoke.running import Running
from natsgen.smoke.steps import Step
from natsgen.smoke.work import Work
from natsgen.tree import Tree

Check = Callable[[Live], str | None]

REMOVE = "remove"


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
        ]

    def add(self, addition: Addition) -> str:
        """A part is added as `natsgen add-...` does: its file and its test, and nothing else is touched."""
        self._before = self._before or tree.read(self._work.workspace.root)
        question = addition.kind.question
        if question not in self._work.questionnaire.questions:
            raise NothingToDo(f"the template asks for no {question}")
        if addition.kind is ROUTES and not self._work.sample.shape.framework:
            raise NothingToDo("it is no gateway")
        part = addition.part(self._work.service)
        addition.add(self._site, part)
        self._added.append((addition, part))
        return self._check_added()

    def lint(self) -> None:
        """What was added is as ruff wants it."""
        self._gates.ruff()
        self._gates.format()

    def tests(self) -> str:
        """The tests that came with what was added pass."""
        return self._gates.tests(*(str(addition.kind.test(part.name)) for addition, part in self._added))

    def run(self) -> str:
        """The service finds what was added when it starts, and it works."""
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
        """What was added is removed, and the workspace is as it was, byte for byte."""
        for addition, part in reversed(self._added):
            addition.remove(self._site, part.name, force=False)
        if changed := tree.differences(self._before, tree.read(self._work.workspace.root)):
            raise CheckFailed(f"adding and removing left a trace: {', '.join(changed)}")
        return "as before"

    @property
    def _site(self) -> Site:
        work = self._work
        return Site(work.workspace, work.template, work.questionnaire, work.service, dry_run=False, notify=_silent)

    def _check_added(self) -> str:
        """Sees to it that each part came with its test, and that nothing else did."""
        expected = {
            str(path) for addition, part in self._added for path in addition.kind.paths(self._work.service, part.name)
        }
        changed = tree.differences(self._before, tree.read(self._work.workspace.root))
        if set(changed) != expected:
            raise CheckFailed(f"these files were to come: {sorted(expected)}, and these came or changed: {changed}")
        return "2 files"

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
