"""How a sample takes more parts, and loses them again without a trace."""

from __future__ import annotations

from collections.abc import Callable

from natsgen import action_growth, handler_growth, route_growth, tree
from natsgen.actions import Action
from natsgen.growth import Site
from natsgen.handlers import Handler
from natsgen.parts import ACTIONS, HANDLERS, ROUTES, Kind, Part
from natsgen.routes import Route, Target
from natsgen.smoke import events, http, lifecycle, requests
from natsgen.smoke.alive import READY, START
from natsgen.smoke.gates import ENVIRONMENT, Gates
from natsgen.smoke.live import Live
from natsgen.smoke.outcome import CheckFailed, NothingToDo
from natsgen.smoke.running import Running
from natsgen.smoke.steps import Step
from natsgen.smoke.work import Work
from natsgen.tree import Tree

Check = Callable[[Live], str | None]

HANDLER = Handler("smoke_added", "additions.addition.made", concurrency=2)
ACTION = Action("smoke_added", "smoke_added", version=3, concurrency=2, timeout=1.5)

ADD_HANDLER, ADD_ACTION, ADD_ROUTE, REMOVE = "add-handler", "add-action", "add-route", "remove"


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
        self._added: list[tuple[Kind, Part]] = []

    def steps(self) -> list[Step]:
        """In the order in which a person would do it."""
        grown = (ENVIRONMENT, ADD_HANDLER, ADD_ACTION, ADD_ROUTE)
        return [
            Step(ADD_HANDLER, self.add_handler, (ENVIRONMENT,)),
            Step(ADD_ACTION, self.add_action, (ENVIRONMENT, ADD_HANDLER)),
            Step(ADD_ROUTE, self.add_route, (ENVIRONMENT, ADD_HANDLER, ADD_ACTION)),
            Step("grown ruff", self.lint, (*grown, "ruff", "format")),
            Step("grown mypy", self._gates.types, (*grown, "mypy")),
            Step("grown tests", self.tests, (*grown, "tests")),
            Step("grown run", self.run, (*grown, START, READY)),
            Step(REMOVE, self.remove, grown),
            Step("update", self.update, (ENVIRONMENT,)),
        ]

    def add_handler(self) -> str:
        """A handler is added as `natsgen add-handler` does: a file and its test, and nothing else is touched."""
        self._before = tree.read(self._work.workspace.root)
        if HANDLERS.question not in self._work.questionnaire.questions:
            raise NothingToDo("the template asks for no handlers")
        handler_growth.add_handler(self._site, HANDLER)
        return self._check_added(HANDLERS, HANDLER)

    def add_action(self) -> str:
        """An action is added as `natsgen add-action` does."""
        if ACTIONS.question not in self._work.questionnaire.questions:
            raise NothingToDo("the template asks for no actions")
        action_growth.add_action(self._site, ACTION)
        return self._check_added(ACTIONS, ACTION)

    def add_route(self) -> str:
        """A route is added as `natsgen add-route` does."""
        if not self._work.sample.shape.framework:
            raise NothingToDo("it is no gateway")
        route = self._route
        route_growth.add_route(self._site, route)
        return self._check_added(ROUTES, route)

    def lint(self) -> None:
        """What was added is as ruff wants it."""
        self._gates.ruff()
        self._gates.format()

    def tests(self) -> str:
        """The tests that came with what was added pass."""
        return self._gates.tests(*(str(kind.test(part.name)) for kind, part in self._added))

    def run(self) -> str:
        """The service finds what was added when it starts, and it works."""
        running = self._run()
        handlers, actions, routes = (tuple(part for of, part in self._added if of is kind) for kind in _KINDS)
        live = Live(self._work, running, handlers, actions, routes)  # type: ignore[arg-type]
        checks: list[Check] = [lifecycle.start, lifecycle.ready, self._found]
        checks += [check for check, one in zip(_CHECKS, (handlers, actions, routes), strict=True) if one]
        try:
            seen = [live.guarded(check)() for check in (*checks, lifecycle.stop)]
        finally:
            running.end()
        return "; ".join(one for one in seen if one)

    def remove(self) -> str:
        """What was added is removed, and the workspace is as it was, byte for byte."""
        for kind, part in reversed(self._added):
            _REMOVALS[kind.noun](self._site, part.name, force=False)
        if changed := _differences(self._before, tree.read(self._work.workspace.root)):
            raise CheckFailed(f"adding and removing left a trace: {', '.join(changed)}")
        return "as before"

    def update(self) -> str:
        """The service is brought to this template's version."""
        raise NothingToDo("this natsgen cannot update a service yet")

    @property
    def _site(self) -> Site:
        work = self._work
        return Site(work.workspace, work.template, work.questionnaire, work.service, dry_run=False, notify=_silent)

    @property
    def _route(self) -> Route:
        """A route to the action that was added."""
        return Route("smoke_added", "GET", "/smoke/{name}", Target(ACTION.subject_in(self._work.service)))

    def _check_added(self, kind: Kind, part: Part) -> str:
        """Sees to it that a part came with its test, and that nothing else did."""
        self._added.append((kind, part))
        expected = {str(path) for of, one in self._added for path in of.paths(self._work.service, one.name)}
        changed = _differences(self._before, tree.read(self._work.workspace.root))
        if set(changed) != expected:
            raise CheckFailed(f"these files were to come: {sorted(expected)}, and these came or changed: {changed}")
        return "2 files"

    def _found(self, live: Live) -> str | None:
        stats = live.running.stats()
        subjects = {one["subject"] for one in stats["actions"]}
        missing = [one.name for one in live.handlers if one.name not in stats["subscriptions"]]
        missing += [one.name for one in live.actions if one.subject_in(live.service) not in subjects]
        if missing:
            raise live.failure(f"what was added was not found by the service: {', '.join(missing)}")
        return None


def _differences(before: Tree, after: Tree) -> list[str]:
    return sorted(str(path) for path in {*before, *after} if before.get(path) != after.get(path))


def _silent(_: str) -> None:
    """Nobody is told of interrupted commands: the workspace is the run's own."""


_KINDS = (HANDLERS, ACTIONS, ROUTES)
_CHECKS: tuple[Check, ...] = (events.events, requests.requests, http.http)
_REMOVALS: dict[str, Callable[..., object]] = {
    HANDLERS.noun: handler_growth.remove_handler,
    ACTIONS.noun: action_growth.remove_action,
    ROUTES.noun: route_growth.remove_route,
}
