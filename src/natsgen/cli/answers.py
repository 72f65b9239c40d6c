"""`natsgen answers`: shows or changes the answers that a service was created with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from natsgen.cli import options, output
from natsgen.cli.options import argument
from natsgen.errors import InputError, ServiceError

if TYPE_CHECKING:
    from natsgen.answers.answers_file import AnswersFile
    from natsgen.answers.questions import Questionnaire


def answers(
    service: options.Service,
    how: options.Writing,
    change: list[str] | None = argument("set KEY=VALUE", "Answers to change.", None),
) -> None:
    """Show or change the answers that a service was created with.

    A changed answer is merged into the service like an update: the service keeps its version and your changes. It must
    have no uncommitted changes, and it is changed completely or not at all.

    \b
    Examples:
      natsgen answers billing
      natsgen answers billing set dedup=nats-kv
      natsgen answers billing set python_version=3.14 image=alpine --dry-run
    """
    from natsgen.answers import answers_file
    from natsgen.services import listing

    place = how.place
    memory = answers_file.read(listing.require_service(place, service))
    if not change:
        lines = output.columns([(key, str(value)) for key, value in memory.values.items()])
        how.end({"service": service, "version": memory.commit, "answers": memory.values}, lines)
        return
    if change[0] != "set" or not change[1:]:
        raise InputError(f"usage: natsgen answers {service} set KEY=VALUE, such as set dedup=nats-kv")
    from natsgen.answers import questions
    from natsgen.cli import update
    from natsgen.update import fleet
    from natsgen.update.sources import Sources

    with Sources(place) as sources:
        template = sources.of(memory).template(memory.commit)
        given = _given(change[1:], memory, questions.read(template.folder), place.root)
    update.carry_out(how, [service], fleet.Options(answers=given))


def _given(pairs: list[str], memory: AnswersFile, questionnaire: Questionnaire, root: Path) -> dict[str, Any]:
    """Return the changed answers, checked together with the unchanged ones.

    Raises:
        InputError: a key is unknown, a value is invalid, or the answer cannot be changed.
    """
    from natsgen.answers import answers_file, given_answers
    from natsgen.parts.kinds import KINDS

    given = given_answers.from_pairs(pairs, questionnaire, "set")
    for key in given.values:
        if key == "service_name":
            raise InputError("service_name: a service cannot be renamed; create a new one and move your code")
        if kind := KINDS.get(key):
            raise InputError(f"{key}: use natsgen add-{kind.noun} and remove-{kind.noun}")
    try:
        answers_file.answers_of(replace(memory, values={**memory.values, **given.values}), questionnaire, root)
    except ServiceError as error:
        raise InputError(f"{', '.join(pairs)}: {error}") from error
    return dict(given.values)
