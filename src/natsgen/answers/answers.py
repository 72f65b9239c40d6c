"""Completes the given answers with derived and default ones, and checks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from natsgen import messages
from natsgen.answers.given_answers import GivenAnswers
from natsgen.answers.questions import Questionnaire
from natsgen.errors import InputError
from natsgen.parts import naming, packages
from natsgen.parts.kind import Part
from natsgen.parts.kinds import KINDS, kind_of
from natsgen.parts.subscribers import refuse_shared

NO_FRAMEWORK = "none"  # the answer `framework` of a service that is not a gateway
FRAMEWORKS = ("fastapi", "django")  # the others


@dataclass(frozen=True)
class Answers:
    """Checked answers to the questions of a template.

    Attributes:
        values: the answers by key, without the parts; Copier derives the defaults of a team's own questions.
        parts: the parts of the service, by the question of their kind.
    """

    values: Mapping[str, Any]
    parts: Mapping[str, tuple[Part, ...]]

    @property
    def service_name(self) -> str:
        """Return the name of the service."""
        return str(self.values["service_name"])

    @property
    def is_gateway(self) -> bool:
        """Return whether the service has a web framework."""
        return bool(self.values.get("framework", NO_FRAMEWORK) != NO_FRAMEWORK)

    @property
    def kind(self) -> str:
        """Return the kind of the service; see `kind_of`."""
        return kind_of(self.is_gateway, {KINDS[question] for question, some in self.parts.items() if some})

    def as_data(self) -> dict[str, Any]:
        """Return the answers in Copier's form."""
        parts = {key: {part.name: part.to_answer() for part in self.parts.get(key, ())} for key in KINDS}
        return {**self.values, **parts}


def complete(given: GivenAnswers, questionnaire: Questionnaire, workspace: Path) -> Answers:
    """Add derived and default answers.

    Args:
        given: at least `service_name`, and parts of some kind or a `framework`.
        questionnaire: the template's questions.
        workspace: the workspace's folder, the default for the workspace's name.

    Raises:
        InputError: an answer is invalid; the message names the option or file that it comes from. Or the service has
            neither parts nor a framework, or has routes without a framework.
    """
    service_name = given.values["service_name"]
    parts = {question: given.parts(question) for question in KINDS}
    is_gateway = given.values.get("framework", NO_FRAMEWORK) != NO_FRAMEWORK
    for question, kind in KINDS.items():
        where = given.sources.get(question, question)
        if parts[question] and kind.for_gateways and not is_gateway:
            raise InputError(f"{where}: {question} need a web framework; add --framework")
        messages.located(where, kind.refuse_same, parts[question])
    messages.located(given.sources.get("tasks", "tasks"), _refuse_shared_names, parts)
    if not any(parts.values()) and not is_gateway and asks_for_parts(questionnaire):
        raise InputError(
            f"{service_name} would be empty: add a handler, an action, a task, a publisher, a subscriber, or a web "
            "framework"
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
    for question in packages.NOUNS:
        if question in values:
            values[question] = packages.check(question, values[question])
    known = {key: value for key, value in values.items() if key not in KINDS and value is not None}
    return Answers(known, parts)


def asks_for_parts(questionnaire: Questionnaire) -> bool:
    """Return whether a template asks for parts; a team's own may not."""
    return any(question in questionnaire.questions for question in KINDS)


def refuse_unasked(given: GivenAnswers, questionnaire: Questionnaire, template: str) -> None:
    """Check that a template asks for every given answer; an older one, or a team's own, may not.

    Args:
        given: the given answers.
        questionnaire: the template's questions.
        template: the name of the template, for the message.

    Raises:
        InputError: the template does not have a question; the message names the option of the answer.
    """
    for key in given.values:
        if key not in questionnaire.questions:
            raise InputError(f"{given.sources.get(key, key)}: the template {template} has no {key}")


def _refuse_shared_names(parts: Mapping[str, tuple[Part, ...]]) -> None:
    """Refuse a task and a handler with the same name."""
    both = {part.name for part in parts["tasks"]} & {part.name for part in parts["handlers"]}
    if both:
        name = messages.quote(min(both))
        raise InputError(f"{name} is the name of a handler too: their consumers would be the same")


def _description_of(parts: Mapping[str, tuple[Part, ...]]) -> str:
    """Return the default description of a service, within the length limit."""
    things = {KINDS[key]: list(dict.fromkeys(part.does for part in some)) for key, some in parts.items() if some}
    text = "; ".join(f"{kind.does[0]} {', '.join(named)}" for kind, named in things.items())
    if len(text) > naming.DESCRIPTION_MAX_LENGTH:
        counts = [f"{kind.does[0]} {messages.counted(len(named), kind.does[1])}" for kind, named in things.items()]
        text = "; ".join(counts)
    return text[:1].upper() + text[1:] if text else "HTTP gateway"
