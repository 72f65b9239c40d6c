"""Asks for what only a person can know of a new service; if there is nobody to ask, it is an error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from natsgen import messages
from natsgen.cli import output
from natsgen.errors import InputError

if TYPE_CHECKING:
    from natsgen.answers.given_answers import GivenAnswers
    from natsgen.parts.kind import Part

_Answer = TypeVar("_Answer")
SEVERAL = "several with spaces between"
WILDCARDS = f"{SEVERAL}; * is any token, a last > all the rest"


@dataclass(frozen=True)
class Requirement:
    """Holds what a command that creates a service cannot do without, beside the name.

    Attributes:
        command: as it is typed.
        option: that gives it.
        questions: the questions of the template that it answers; one of them is enough.
        name: of a service, to propose.
        value: of the option, to propose.
        reason: what it is for, for the person who is asked.
    """

    command: str
    option: str
    questions: tuple[str, ...]
    name: str
    value: str
    reason: str


WORKER = Requirement(
    "natsgen new worker",
    "--subject",
    ("handlers", "actions", "tasks"),
    "billing",
    "orders.order.created",
    f"It handles the events of this subject ({WILDCARDS}).",
)
SERVICE = Requirement(
    "natsgen new service",
    "--action",
    ("actions",),
    "greeter",
    "greet",
    f"It answers requests for this action ({SEVERAL}).",
)
GATEWAY = Requirement(
    "natsgen new gateway",
    "--framework",
    ("framework",),
    "api",
    "fastapi",
    "It is the web framework in the gateway: fastapi or django.",
)
PUBLISHER = Requirement(
    "natsgen new publisher",
    "--subject",
    ("publishers",),
    "beat",
    "events.test",
    f"It publishes on this subject ({SEVERAL}).",
)
CORE_PUBLISHER = replace(PUBLISHER, command="natsgen new publisher --core")
SUBSCRIBER = Requirement(
    "natsgen new subscriber",
    "--subject",
    ("subscribers",),
    "ear",
    "events.test",
    f"It listens to this subject ({WILDCARDS}).",
)


def completed(
    given: GivenAnswers,
    asked: Requirement,
    read: Callable[[Sequence[str]], Sequence[Part]] | None,
    asks: Collection[str],
) -> GivenAnswers:
    """Return what was given, with what was missing.

    Args:
        given: so far.
        asked: what has to be there.
        read: what makes parts of the texts of the option; None if it gives the framework.
        asks: what the template asks; where it asks for none of what has to be there, that need not be.

    Raises:
        InputError: something is missing and nobody can be asked.
    """
    from natsgen import naming
    from natsgen.answers.given_answers import GivenAnswers, from_texts

    missing = [] if "service_name" in given.values else ["NAME"]
    known = [question for question in asked.questions if question in asks]
    if known and not any(_is_answered(given, question) for question in known):
        missing.append(asked.option)
    if missing and not output.can_ask():
        raise InputError(
            f"{' and '.join(missing)} must be given, as in: {asked.command} {asked.name} {asked.option} {asked.value}"
        )
    if "NAME" in missing:
        subjects = [part.does for part in given.parts("handlers")]
        proposal = naming.service_for(subjects[0]) if subjects else asked.name
        reason = "It names the folder under services/, the service in Consul and its consumers in NATS."
        name = _ask("Name of the service", proposal, reason, naming.service)
        given = given.over(GivenAnswers({"service_name": name}, {}))
    if asked.option in missing:
        what = asked.option.removeprefix("--").capitalize()
        if read is None:
            found = GivenAnswers({"framework": _ask(what, asked.value, asked.reason, _framework)}, {})
        else:
            rule = partial(from_texts, asked.option, read)
            found = _ask(what, asked.value, asked.reason, lambda line: rule(line.split()))
        given = found.over(given)
    return given


def _is_answered(given: GivenAnswers, question: str) -> bool:
    from natsgen.answers import answers

    answer = given.values.get(question)
    return answer in answers.FRAMEWORKS if question == "framework" else bool(answer)


def _framework(name: str) -> str:
    from natsgen.answers import answers

    if name not in answers.FRAMEWORKS:
        raise InputError(messages.invalid_choice(name, answers.FRAMEWORKS))
    return name


def _ask(question: str, default: str, reason: str, rule: Callable[[str], _Answer]) -> _Answer:
    while True:
        try:
            return rule(output.ask(question, default, reason))
        except InputError as error:
            output.error(str(error))
