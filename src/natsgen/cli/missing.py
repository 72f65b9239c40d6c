"""Prompts for missing required answers of a new service; without a terminal, they are an error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from natsgen import messages
from natsgen.cli import output
from natsgen.errors import InputError

if TYPE_CHECKING:
    from natsgen.answers.given_answers import GivenAnswers
    from natsgen.parts.kind import Part

_Answer = TypeVar("_Answer")
SEVERAL = "separate several with spaces"
WILDCARDS = f"{SEVERAL}; * matches one token, > the rest"


@dataclass(frozen=True)
class Requirement:
    """A required answer of a command that creates a service, besides the name.

    Attributes:
        option: the option for the answer.
        questions: the template's questions, one of which needs an answer.
        name: a service name to propose.
        value: a value of the option to propose.
        reason: the explanation in the prompt.
    """

    option: str
    questions: tuple[str, ...]
    name: str
    value: str
    reason: str


REQUIREMENTS = {
    "worker": Requirement(
        option="--subject",
        questions=("handlers", "actions", "tasks"),
        name="billing",
        value="orders.order.created",
        reason=f"The worker handles the events of this subject ({WILDCARDS}).",
    ),
    "service": Requirement(
        option="--action",
        questions=("actions",),
        name="greeter",
        value="greet",
        reason=f"The service answers requests for this action ({SEVERAL}).",
    ),
    "gateway": Requirement(
        option="--framework",
        questions=("framework",),
        name="api",
        value="fastapi",
        reason="The web framework of the gateway: fastapi or django.",
    ),
    "publisher": Requirement(
        option="--subject",
        questions=("publishers",),
        name="beat",
        value="events.test",
        reason=f"The service publishes to this subject ({SEVERAL}).",
    ),
    "subscriber": Requirement(
        option="--subject",
        questions=("subscribers",),
        name="ear",
        value="events.test",
        reason=f"The service subscribes to this subject ({WILDCARDS}).",
    ),
}
"""The required answers by the kind of service: by the command after `natsgen new`."""


def completed(
    given: GivenAnswers,
    command: str,
    asked: Requirement,
    read: Callable[[Sequence[str]], Sequence[Part]] | None,
    asks: Collection[str],
) -> GivenAnswers:
    """Return the given answers, after prompting for missing required ones.

    Args:
        given: the given answers.
        command: the command as typed after `natsgen new`, for messages.
        asked: the required answer.
        read: converts the texts of the option to parts; None if the option is the framework.
        asks: the template's questions; an answer that they do not include is not required.

    Raises:
        InputError: an answer is missing, and natsgen cannot prompt.
    """
    from natsgen.answers.given_answers import GivenAnswers, from_texts
    from natsgen.parts import naming

    missing = [] if "service_name" in given.values else ["NAME"]
    known = [question for question in asked.questions if question in asks]
    if known and not any(_is_answered(given, question) for question in known):
        missing.append(asked.option)
    if missing and not output.can_ask():
        raise InputError(
            f"missing {' and '.join(missing)}: use, for example, natsgen new {command} {asked.name} {asked.option} "
            f"{asked.value}"
        )
    if "NAME" in missing:
        subjects = [part.does for part in given.parts("handlers")]
        proposal = naming.service_for(subjects[0]) if subjects else asked.name
        reason = "The name is used for the folder under services/, in Consul, and for consumers in NATS."
        name = _ask("Name of the service", proposal, reason, naming.service)
        given = given.over(GivenAnswers({"service_name": name}, {}))
    if asked.option in missing:
        what = asked.option.removeprefix("--").capitalize()
        if read is None:
            found = GivenAnswers({"framework": _ask(what, asked.value, asked.reason, _framework)}, {})
        else:
            found = _ask(what, asked.value, asked.reason, lambda line: from_texts(asked.option, read, line.split()))
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
