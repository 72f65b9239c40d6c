"""What only the person can know of a new service is asked, where there is one to ask, or else an error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from natsgen.cli import output
from natsgen.errors import InputError

if TYPE_CHECKING:
    from natsgen.answers.given_answers import GivenAnswers
    from natsgen.parts.kind import Part


@dataclass(frozen=True)
class Requirement:
    """What a command that makes a service cannot do without, beside the name.

    Attributes:
        command: as it is typed.
        option: that gives it.
        questions: the questions of the template that it answers; one of them is enough.
        name: of a service, to propose.
        value: of the option, to propose.
    """

    command: str
    option: str
    questions: tuple[str, ...]
    name: str
    value: str


SEVERAL = "several with spaces between"
WILDCARDS = "* is any token, a last > all the rest"
WORKER = Requirement(
    "natsgen new worker", "--subject", ("handlers", "actions", "tasks"), "billing", "orders.order.created"
)
SERVICE = Requirement("natsgen new service", "--action", ("actions",), "greeter", "greet")
GATEWAY = Requirement("natsgen new gateway", "--framework", ("framework",), "api", "fastapi")
PUBLISHER = Requirement("natsgen new publisher", "--subject", ("publishers",), "beat", "events.test")
CORE_PUBLISHER = replace(PUBLISHER, command="natsgen new publisher --core")
SUBSCRIBER = Requirement("natsgen new subscriber", "--subject", ("subscribers",), "ear", "events.test")
BY_COMMAND: Mapping[str, Requirement] = {"worker": WORKER, "service": SERVICE, "gateway": GATEWAY}


def completed(
    given: GivenAnswers, asked: Requirement, version: int, *, asks: Collection[str], may_ask: bool
) -> GivenAnswers:
    """What was given, with what was missing.

    Args:
        given: so far.
        asked: what has to be there.
        version: of the actions that are asked for.
        asks: what the template asks; where it asks for none of what has to be there, that need not be.
        may_ask: whether there is a person.

    Raises:
        InputError: something is missing and nobody can be asked.
    """
    missing = [] if "service_name" in given.values else ["NAME"]
    known = [question for question in asked.questions if question in asks]
    if known and not any(_is_answered(given, question) for question in known):
        missing.append(asked.option)
    if missing and not may_ask:
        raise InputError(
            f"{' and '.join(missing)} must be given, as in: {asked.command} {asked.name} {asked.option} {asked.value}"
        )
    if "NAME" in missing:
        given = given.over(_name(given, asked))
    if asked.option in missing:
        given = _asked_for(asked, version).over(given)
    return given


def _is_answered(given: GivenAnswers, question: str) -> bool:
    from natsgen.answers import answers

    answer = given.values.get(question)
    return answer in answers.FRAMEWORKS if question == "framework" else bool(answer)


def _asked_for(asked: Requirement, version: int) -> GivenAnswers:
    """What a person answers to the question for what is missing."""
    from natsgen.answers import given_answers
    from natsgen.parts import actions, handlers, publishers, subscribers

    if asked is GATEWAY:
        return _framework(asked)
    read: Callable[[Sequence[str]], Sequence[Part]] = handlers.from_subjects
    what, reason = "Subject", f"It handles the events of this subject ({SEVERAL}; {WILDCARDS})."
    if asked is SERVICE:
        read = partial(actions.from_names, version=version)
        what, reason = "Action", f"It answers requests for this action ({SEVERAL})."
    elif asked is SUBSCRIBER:
        read = subscribers.from_subjects
        reason = f"It listens to this subject ({SEVERAL}; {WILDCARDS})."
    elif asked in (PUBLISHER, CORE_PUBLISHER):
        read = partial(publishers.from_subjects, core=asked is CORE_PUBLISHER)
        reason = f"It publishes on this subject ({SEVERAL})."

    def rule(line: str) -> str:
        read(line.split())
        return line

    line = _ask(what, asked.value, reason, rule)
    return given_answers.from_texts(asked.option, read, line.split())


def _name(given: GivenAnswers, asked: Requirement) -> GivenAnswers:
    from natsgen import naming
    from natsgen.answers import given_answers

    subjects = [part.does for part in given.parts("handlers")]
    name = _ask(
        "Name of the service",
        naming.service_for(subjects[0]) if subjects else asked.name,
        "It names the folder under services/, the service in Consul and its consumers in NATS.",
        naming.service,
    )
    return given_answers.GivenAnswers({"service_name": name}, {})


def _framework(asked: Requirement) -> GivenAnswers:
    from natsgen.answers import answers, given_answers

    def rule(name: str) -> str:
        if name not in answers.FRAMEWORKS:
            raise InputError(f"it is one of {', '.join(answers.FRAMEWORKS)}")
        return name

    reason = f"It is the web framework in the gateway: {' or '.join(answers.FRAMEWORKS)}."
    return given_answers.GivenAnswers({"framework": _ask("Framework", asked.value, reason, rule)}, {})


def _ask(question: str, default: str, reason: str, rule: Callable[[str], str]) -> str:
    while True:
        try:
            return rule(output.ask(question, default, reason))
        except InputError as error:
            output.error(str(error))
