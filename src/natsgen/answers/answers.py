"""What the template is told: what a person gave, and what is derived and default for the rest, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from natsgen import messages, naming
from natsgen.answers.given_answers import GivenAnswers
from natsgen.answers.questions import Questionnaire
from natsgen.errors import InputError
from natsgen.parts import actions, packages, pubsub, pubsub_naming, routes, tasks
from natsgen.parts.handlers import Handler, subjects_of
from natsgen.parts.kinds import KINDS, kind_of

NO_FRAMEWORK = "none"  # the answer `framework` of a service that is no gateway
FRAMEWORKS = ("fastapi", "django")  # the others


@dataclass(frozen=True)
class Answers:
    """One checked answer for every question of copier.yml, under the question's key.

    A template that is older, or a team's own, need not ask all of these: what it does not ask keeps its default.

    Attributes:
        extra: the answers to what only the template of a fork asks, by key; where its default is derived, Copier does.
    """

    service_name: str
    handlers: Mapping[str, Any]
    bounded_context: str
    description: str
    python_version: str = "3.13"
    dedup: str = "none"
    workspace: str = ""
    network: str = ""
    registry: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    actions: Mapping[str, Any] = field(default_factory=dict)
    framework: str = NO_FRAMEWORK
    routes: Mapping[str, Any] = field(default_factory=dict)
    tasks: Mapping[str, Any] = field(default_factory=dict)
    publishers: Mapping[str, Any] = field(default_factory=dict)
    subscribers: Mapping[str, Any] = field(default_factory=dict)
    envelope: str = "domain"
    image: str = "slim"
    publish_interval: str = "2"
    queue_group: str = ""
    extras: Sequence[str] = field(default_factory=list)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What they make: see `kind_of`."""
        return kind_of(self.framework != NO_FRAMEWORK, {kind for kind in KINDS if getattr(self, kind.question)})

    def as_data(self) -> dict[str, Any]:
        """The answers as Copier takes them."""
        data = asdict(self)
        return {**data.pop("extra"), **data}


def check(given: GivenAnswers) -> None:
    """Checks what was given by the rules of its names.

    Raises:
        InputError: an answer breaks its rule; the message names the option or file that it comes from.
    """
    for key, value in given.values.items():
        where = given.sources.get(key, key)
        if key == "handlers":
            for name, entry in value.items():
                messages.located(where, partial(Handler.from_answer, name), entry)
        elif key == "actions":
            messages.located(where, actions.check, value)
        elif key == "routes":
            messages.located(where, routes.check, value)
        elif key in pubsub.READERS:
            for name, entry in value.items():
                messages.located(where, partial(pubsub.READERS[key], name), entry)
        elif key == "tasks":
            messages.located(where, partial(tasks.check, handlers=given.values.get("handlers")), value)
        elif key in _RULES:
            messages.located(where, _RULES[key], value)


def complete(given: GivenAnswers, questionnaire: Questionnaire, workspace: Path) -> Answers:
    """Adds what is derived and what is default.

    Args:
        given: holds at least `service_name`, and parts of some kind or a `framework`.
        questionnaire: what the template asks.
        workspace: the workspace's folder, which names the workspace if nobody does.

    Raises:
        InputError: an answer breaks its rule; the message names the option or file that it comes from. Or there is
            neither a part of any kind nor a framework, or there are routes without a framework.
    """
    check(given)
    service_name = given.values["service_name"]
    done = _done(given.values)
    is_gateway = given.values.get("framework", NO_FRAMEWORK) != NO_FRAMEWORK
    if done["routes"] and not is_gateway:
        where = given.sources.get("routes", "routes")
        raise InputError(f"{where}: routes need a web framework, and there is no --framework")
    if not any(done.values()) and not is_gateway and asks_for_parts(questionnaire):
        raise InputError(
            f"{service_name} has no handlers, no actions and no tasks: it needs one of any kind, a publisher, a "
            "subscriber, or a web framework"
        )
    subjects = done["handlers"] or done["publishers"] or done["subscribers"]
    derived = {
        "handlers": {},  # plain Copier makes one if there is no other part
        "bounded_context": naming.context_for(subjects, service_name),
        "description": naming.description_for(done),
        "workspace": naming.workspace_for(workspace),
    }
    fixed = {key: question.default for key, question in questionnaire.questions.items()}
    values = {**fixed, **derived, **given.values}
    heard = [pubsub.Subscriber.from_answer(name, entry) for name, entry in values.get("subscribers", {}).items()]
    messages.located(
        given.sources.get("subscribers", "subscribers"),
        partial(pubsub.refuse_shared, heard),
        values.get("queue_group", ""),
    )
    values["description"] = naming.description(values["description"])
    if packages.EXTRAS in values:
        values[packages.EXTRAS] = packages.check_extras(values[packages.EXTRAS])
    own = {one.name for one in fields(Answers)} - {"extra"}
    extra = {key: value for key, value in values.items() if key not in own and value is not None}
    return Answers(**{key: value for key, value in values.items() if key in own}, extra=extra)


def asks_for_parts(questionnaire: Questionnaire) -> bool:
    """Whether a template makes services of parts: a team's own need not."""
    return any(kind.question in questionnaire.questions for kind in KINDS)


def refuse_unasked(given: GivenAnswers, questionnaire: Questionnaire, template: str) -> None:
    """Makes sure that a template asks for all that was given: an older one, or a team's own, may not.

    Args:
        given: so far.
        questionnaire: what it asks.
        template: what to call it.

    Raises:
        InputError: it does not ask for something; the message names the option that it comes from.
    """
    for key in given.values:
        if key not in questionnaire.questions:
            raise InputError(f"{given.sources.get(key, key)}: the template {template} has no {key}")


def _done(values: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What a service does by checked answers: subjects, actions and requests, by the question that asks for them."""
    return {
        "handlers": subjects_of(values.get("handlers", {})),
        "tasks": tasks.queues_of(values.get("tasks", {})),
        "actions": actions.names_of(values.get("actions", {})),
        "routes": routes.requests_of(values.get("routes", {})),
        "publishers": subjects_of(values.get("publishers", {})),
        "subscribers": subjects_of(values.get("subscribers", {})),
    }


_RULES: Mapping[str, Callable[[Any], object]] = {
    "service_name": naming.service,
    "bounded_context": naming.context,
    "description": naming.description,
    "workspace": naming.workspace,
    "network": naming.network,
    "registry": naming.registry,
    "labels": naming.labels,
    "publish_interval": pubsub_naming.interval_text,
    "queue_group": pubsub_naming.group,
    packages.EXTRAS: packages.check_extras,
}
