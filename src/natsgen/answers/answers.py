"""What the template is told: what a person gave, and what is derived and default for the rest, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from natsgen import messages, naming
from natsgen.answers.given_answers import GivenAnswers
from natsgen.answers.questions import Questionnaire
from natsgen.errors import InputError
from natsgen.parts import packages
from natsgen.parts.kind import Part
from natsgen.parts.kinds import KINDS, kind_of
from natsgen.parts.subscribers import refuse_shared

NO_FRAMEWORK = "none"  # the answer `framework` of a service that is no gateway
FRAMEWORKS = ("fastapi", "django")  # the others


@dataclass(frozen=True)
class Answers:
    """One checked answer for every question of copier.yml, under the question's key.

    A template that is older, or a team's own, need not ask all of these: what it does not ask keeps its default.

    Attributes:
        parts: of the service, by the question of their kind.
        extra: the answers to what only the template of a fork asks, by key; where its default is derived, Copier does.
    """

    service_name: str
    bounded_context: str
    description: str
    python_version: str = "3.13"
    dedup: str = "none"
    workspace: str = ""
    network: str = ""
    registry: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    framework: str = NO_FRAMEWORK
    envelope: str = "domain"
    image: str = "slim"
    publish_interval: str = "2"
    queue_group: str = ""
    extras: Sequence[str] = field(default_factory=list)
    parts: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What they make: see `kind_of`."""
        return kind_of(
            self.framework != NO_FRAMEWORK, {KINDS[question] for question, some in self.parts.items() if some}
        )

    def as_data(self) -> dict[str, Any]:
        """The answers as Copier takes them."""
        data = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("extra", "parts")}
        data["labels"], data["extras"] = dict(self.labels), list(self.extras)
        parts = {key: {part.name: part.to_answer() for part in self.parts.get(key, ())} for key in KINDS}
        return {**self.extra, **data, **parts}


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
    service_name = given.values["service_name"]
    parts = {question: given.parts(question) for question in KINDS}
    is_gateway = given.values.get("framework", NO_FRAMEWORK) != NO_FRAMEWORK
    for question, kind in KINDS.items():
        where = given.sources.get(question, question)
        if parts[question] and kind.for_gateways and not is_gateway:
            raise InputError(f"{where}: {question} need a web framework, and there is no --framework")
        messages.located(where, kind.refuse_same, parts[question])
    messages.located(given.sources.get("tasks", "tasks"), _refuse_shared_names, parts)
    if not any(parts.values()) and not is_gateway and asks_for_parts(questionnaire):
        raise InputError(
            f"{service_name} has no handlers, no actions and no tasks: it needs one of any kind, a publisher, a "
            "subscriber, or a web framework"
        )
    subjects = [part.does for part in parts["handlers"] or parts["publishers"] or parts["subscribers"]]
    derived = {
        "bounded_context": naming.context_for(subjects, service_name),
        "description": _description_of(parts),
        "workspace": naming.workspace_for(workspace),
    }
    fixed = {key: question.default for key, question in questionnaire.questions.items()}
    values = {**fixed, **derived, **given.values}
    messages.located(
        given.sources.get("subscribers", "subscribers"),
        partial(refuse_shared, parts["subscribers"]),
        values.get("queue_group", ""),
    )
    values["description"] = naming.description(values["description"])
    if packages.EXTRAS in values:
        values[packages.EXTRAS] = packages.check_extras(values[packages.EXTRAS])
    own = {one.name for one in fields(Answers)} - {"extra", "parts"}
    extra = {key: value for key, value in values.items() if key not in own and key not in KINDS and value is not None}
    return Answers(**{key: value for key, value in values.items() if key in own}, parts=parts, extra=extra)


def asks_for_parts(questionnaire: Questionnaire) -> bool:
    """Whether a template makes services of parts: a team's own need not."""
    return any(question in questionnaire.questions for question in KINDS)


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


def _refuse_shared_names(parts: Mapping[str, tuple[Part, ...]]) -> None:
    """Refuse a task and a handler of one name."""
    both = {part.name for part in parts["tasks"]} & {part.name for part in parts["handlers"]}
    if both:
        name = messages.quote(min(both))
        raise InputError(f"{name} is the name of a handler too: their consumers would be the same")


def _description_of(parts: Mapping[str, tuple[Part, ...]]) -> str:
    """The description of a service that a person said nothing about, within the limit of length."""
    things = {KINDS[key]: list(dict.fromkeys(part.does for part in some)) for key, some in parts.items() if some}
    text = "; ".join(f"{kind.does[0]} {', '.join(named)}" for kind, named in things.items())
    if len(text) > naming.DESCRIPTION_MAX_LENGTH:
        counts = [f"{kind.does[0]} {messages.counted(len(named), kind.does[1])}" for kind, named in things.items()]
        text = "; ".join(counts)
    return text[:1].upper() + text[1:] if text else "HTTP gateway"
