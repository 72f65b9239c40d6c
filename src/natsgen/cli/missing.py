"""What only the person can know of a new service is asked, where there is one to ask, or else an error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from natsgen.cli import output
from natsgen.errors import InputError

if TYPE_CHECKING:
    from natsgen.answers.given_answers import GivenAnswers


@dataclass(frozen=True)
class Asked:
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


WORKER = Asked("natsgen new worker", "--subject", ("handlers", "actions", "tasks"), "billing", "orders.order.created")
SERVICE = Asked("natsgen new service", "--action", ("actions",), "greeter", "greet")
GATEWAY = Asked("natsgen new gateway", "--framework", ("framework",), "api", "fastapi")
PUBLISHER = Asked("natsgen new publisher", "--subject", ("publishers",), "beat", "events.test")
CORE_PUBLISHER = replace(PUBLISHER, command="natsgen new publisher --core")
SUBSCRIBER = Asked("natsgen new subscriber", "--subject", ("subscribers",), "ear", "events.test")
BY_COMMAND: Mapping[str, Asked] = {"worker": WORKER, "service": SERVICE, "gateway": GATEWAY}


def completed(given: GivenAnswers, asked: Asked, version: int, *, asks: Collection[str], may_ask: bool) -> GivenAnswers:
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


def _asked_for(asked: Asked, version: int) -> GivenAnswers:
    if asked is GATEWAY:
        return _framework(asked)
    if asked is SERVICE:
        return _actions(asked, version)
    if asked in (PUBLISHER, CORE_PUBLISHER):
        return _publishers(asked, core=asked is CORE_PUBLISHER)
    return _subscribers(asked) if asked is SUBSCRIBER else _handlers(asked)


def _name(given: GivenAnswers, asked: Asked) -> GivenAnswers:
    from natsgen import naming
    from natsgen.answers import given_answers
    from natsgen.parts.handlers import subjects_of

    subjects = subjects_of(given.values.get("handlers", {}))
    name = _ask(
        "Name of the service",
        naming.service_for(subjects[0]) if subjects else asked.name,
        "It names the folder under services/, the service in Consul and its consumers in NATS.",
        naming.service,
    )
    return given_answers.GivenAnswers({"service_name": name}, {})


def _handlers(asked: Asked) -> GivenAnswers:
    from natsgen import naming
    from natsgen.answers import given_answers

    def rule(words: Sequence[str]) -> object:
        return naming.handlers_for([naming.subject(word) for word in words])

    return given_answers.from_subjects(
        _ask_for_words(
            "Subject",
            asked.value,
            "It handles the events of this subject (several with spaces between; * is any token, a last > all the "
            "rest).",
            rule,
        )
    )


def _actions(asked: Asked, version: int) -> GivenAnswers:
    from natsgen.answers import given_answers
    from natsgen.parts import action_naming, actions

    def rule(words: Sequence[str]) -> object:
        return actions.named([action_naming.action(word) for word in words], version)

    reason = "It answers requests for this action (several with spaces between)."
    return given_answers.from_actions(_ask_for_words("Action", asked.value, reason, rule), version)


def _publishers(asked: Asked, *, core: bool) -> GivenAnswers:
    from natsgen.answers import given_answers

    def rule(words: Sequence[str]) -> object:
        return given_answers.from_published(words)

    reason = "It publishes on this subject (several with spaces between)."
    return given_answers.from_published(_ask_for_words("Subject", asked.value, reason, rule), core=core)


def _subscribers(asked: Asked) -> GivenAnswers:
    from natsgen.answers import given_answers

    reason = "It listens to this subject (several with spaces between; * is any token, a last > all the rest)."
    return given_answers.from_heard(_ask_for_words("Subject", asked.value, reason, given_answers.from_heard))


def _framework(asked: Asked) -> GivenAnswers:
    from natsgen.answers import answers, given_answers

    def rule(name: str) -> str:
        if name not in answers.FRAMEWORKS:
            raise InputError(f"it is one of {', '.join(answers.FRAMEWORKS)}")
        return name

    reason = f"It is the web framework in the gateway: {' or '.join(answers.FRAMEWORKS)}."
    return given_answers.GivenAnswers({"framework": _ask("Framework", asked.value, reason, rule)}, {})


def _ask_for_words(question: str, default: str, reason: str, rule: Callable[[Sequence[str]], object]) -> list[str]:
    def checked(line: str) -> str:
        rule(line.split())
        return line

    return _ask(question, default, reason, checked).split()


def _ask(question: str, default: str, reason: str, rule: Callable[[str], str]) -> str:
    while True:
        try:
            return rule(output.ask(question, default, reason))
        except InputError as error:
            output.error(str(error))
