"""How a sample takes more parts, and loses them again without a trace."""

from __future__ import annotations

from collections.abc import Callable

from natsgen import action_growth, handler_growth, tree
from natsgen.actions import Action
from natsgen.handlers import Handler
from natsgen.parts import ACTIONS, HANDLERS
from natsgen.smoke import events, lifecycle, requests
from natsgen.smoke.alive import READY, START
from natsgen.smoke.gates import ENVIRONMENT, Gates
from natsgen.smoke.live import Live
from natsgen.smoke.outcome import CheckFailed, NothingToDo
from natsgen.smoke.running import Running
from natsgen.smoke.steps import Step
from natsgen.smoke.work import Work
from natsgen.tree import Tree

HANDLER = Handler("smoke_added", "additions.addition.made", concurrency=2)
ACTION = Action("smoke_added", "smoke_added", version=3, concurrency=2, timeout=1.5)

ADD_HANDLER, ADD_ACTION, REMOVE = "add-handler", "add-action", "remove"


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
        self._handlers: tuple[Handler, ...] = ()
        self._actions: tuple[Action, ...] = ()

    def steps(self) -> list[Step]:
        """In the order in which a person would do it."""
        grown = (ENVIRONMENT, ADD_HANDLER, ADD_ACTION)
        return [
            Step(ADD_HANDLER, self.add_handler, (ENVIRONMENT,)),
            Step(ADD_ACTION, self.add_action, (ENVIRONMENT, ADD_HANDLER)),
            Step("grown ruff", self.lint, (*grown, "ruff", "format")),
            Step("grown mypy", self._gates.types, (*grown, "mypy")),
            Step("grown tests", self.tests, (*grown, "tests")),
            Step("grown run", self.run, (*grown, START, READY)),
            Step(REMOVE, self.remove, grown),
            Step("update", self.update, (ENVIRONMENT,)),
        ]

    def add_handler(self) -> str:
        """A handler is added as `natsgen add-handler` does: a file and its test, and nothing else is touched."""
        work = self._work
        self._before = tree.read(work.workspace.root)
        handler_growth.add_handler(
            work.workspace, work.template, work.questionnaire, work.service, HANDLER, dry_run=False, notify=_silent
        )
        self._handlers = (HANDLER,)
        return self._check_added({str(path) for path in HANDLERS.paths(work.service, HANDLER.name)})

    def add_action(self) -> str:
        """An action is added as `natsgen add-action` does."""
        if ACTIONS.question not in self._work.questionnaire.questions:
            raise NothingToDo("the template asks for no actions")
        work = self._work
        action_growth.add_action(
            work.workspace, work.template, work.questionnaire, work.service, ACTION, dry_run=False, notify=_silent
        )
        self._actions = (ACTION,)
        added = {*HANDLERS.paths(work.service, HANDLER.name), *ACTIONS.paths(work.service, ACTION.name)}
        return self._check_added({str(path) for path in added})

    def lint(self) -> None:
        """What was added is as ruff wants it."""
        self._gates.ruff()
        self._gates.format()

    def tests(self) -> str:
        """The tests that came with what was added pass."""
        paths = [HANDLERS.test(one.name) for one in self._handlers] + [ACTIONS.test(one.name) for one in self._actions]
        return self._gates.tests(*map(str, paths))

    def run(self) -> str:
        """The service finds what was added when it starts, and it works."""
        running = self._run()
        live = Live(self._work, running, self._handlers, self._actions)
        try:
            for check in (lifecycle.start, lifecycle.ready, self._found):
                live.guarded(check)()
            seen = [live.guarded(events.events)()]
            seen += [live.guarded(requests.requests)()] if live.actions else []
            live.guarded(lifecycle.stop)()
        finally:
            running.end()
        return "; ".join(str(one) for one in seen)

    def remove(self) -> str:
        """What was added is removed, and the workspace is as it was, byte for byte."""
        work = self._work
        place = (work.workspace, work.template, work.questionnaire, work.service)
        if self._actions:
            action_growth.remove_action(*place, ACTION.name, force=False, dry_run=False, notify=_silent)
        handler_growth.remove_handler(*place, HANDLER.name, force=False, dry_run=False, notify=_silent)
        if changed := _differences(self._before, tree.read(work.workspace.root)):
            raise CheckFailed(f"adding and removing left a trace: {', '.join(changed)}")
        return "as before"

    def update(self) -> str:
        """The service is brought to this template's version."""
        raise NothingToDo("this natsgen cannot update a service yet")

    def _check_added(self, expected: set[str]) -> str:
        changed = _differences(self._before, tree.read(self._work.workspace.root))
        if set(changed) != expected:
            raise CheckFailed(f"these files were to come: {sorted(expected)}, and these came or changed: {changed}")
        return f"{len(changed)} files"

    def _found(self, live: Live) -> None:
        stats = live.running.stats()
        subjects = {one["subject"] for one in stats["actions"]}
        missing = [one.name for one in live.handlers if one.name not in stats["subscriptions"]]
        missing += [one.name for one in live.actions if one.subject_in(live.service) not in subjects]
        if missing:
            raise live.failure(f"what was added was not found by the service: {', '.join(missing)}")


def _differences(before: Tree, after: Tree) -> list[str]:
    return sorted(str(path) for path in {*before, *after} if before.get(path) != after.get(path))


def _silent(_: str) -> None:
    """Nobody is told of interrupted commands: the workspace is the run's own."""
