"""What the commands of `natsgen new` share: from what a person said to the service, and what they are told about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from natsgen.cli import next_steps, output, templates
from natsgen.cli.new import missing
from natsgen.errors import InputError

if TYPE_CHECKING:
    from natsgen.answers.answers import Answers
    from natsgen.cli.new.missing import Requirement
    from natsgen.parts.kind import Part
    from natsgen.services.create import Outcome
    from natsgen.workspace import Workspace

    PartTexts = Mapping[str, tuple[Callable[[Sequence[str]], Sequence[Part]], Sequence[str] | None]]

INFRASTRUCTURE = "compose/infrastructure.yml"


@dataclass(frozen=True)
class Options:
    """What a person said, or a script.

    Attributes:
        flags: the text of each option that answers a question, by the question; None where it was not given.
        data: what `--data` gave.
        data_file: what `--data-file` names.
        template: what `--template` names.
        workspace: what `--workspace` names.
        dry_run: whether nothing is to be written.
        as_json: whether a script is told.
    """

    flags: Mapping[str, str | None]
    data: Sequence[str]
    data_file: Path | None
    template: str | None
    workspace: Path | None
    dry_run: bool
    as_json: bool


def make(
    asked: Requirement,
    parts: PartTexts,
    extras: Sequence[str] | None,
    said: Options,
    *,
    version: int | None = None,
) -> None:
    """Makes the service, and tells of it.

    Args:
        asked: what the command cannot do without.
        parts: of each option that gives parts: what makes them of its texts, and the texts.
        extras: the texts of `--with`.
        said: the rest.
        version: of the actions that `--action` gives or that are asked for, where `--version` says it.

    Raises:
        NatsgenError: it could not be done; the workspace is as before.
    """
    from natsgen import workspace as workspaces
    from natsgen.answers import answers, given_answers, questions, workspace_defaults
    from natsgen.services import create

    inside = given_answers.from_extras(extras or [])
    for option, (read, texts) in parts.items():
        inside = inside.over(given_answers.from_texts(option, read, texts or []))
    place = workspaces.find(said.workspace, Path.cwd())
    with templates.for_new(said.template, place) as template:
        questionnaire = questions.read(template.folder)
        given = given_answers.from_flags(said.flags, questionnaire).over(inside)
        given = given.over(given_answers.from_pairs(said.data, questionnaire))
        if said.data_file is not None:
            given = given.over(given_answers.from_file(said.data_file, questionnaire))
        network = given.values.get("network")
        defaults = workspace_defaults.read(place.root, questionnaire, strict=said.template is None)
        # what the organisation's gateways are made with makes no gateway of others
        given = given.over(defaults if asked is missing.GATEWAY else defaults.without("framework"))
        answers.refuse_unasked(given, questionnaire, template.url)
        number = 1 if version is None else version
        given = missing.completed(given, asked, number, asks=questionnaire.questions, may_ask=output.can_ask())
        if version is not None and given.sources.get("actions") != "--action":
            raise InputError("--version: it is the version of what --action gives, and there is no --action")

        complete = answers.complete(given, questionnaire, place.root)
        made = create.new_service(place, template, questionnaire, complete, dry_run=said.dry_run, notify=output.note)
    if network is not None and INFRASTRUCTURE in map(str, made.kept):
        where = given.sources.get("network", "--network")
        output.note(f"{INFRASTRUCTURE} exists, and its network is used for all services: {where} {network} is ignored")
    _tell(place, complete, made, said)


def _tell(place: Workspace, complete: Answers, outcome: Outcome, said: Options) -> None:
    if said.as_json:
        output.document(_document(place, complete, outcome, dry_run=said.dry_run))
    elif said.dry_run:
        output.dry_run(outcome.change.diff(), len(outcome.change.added), "made", place.root)
    else:
        output.result(_story(place, complete, outcome))


def next_commands(workspace: Workspace, name: str, here: Path) -> tuple[str, str, str]:
    """What to type after a service was made: install, test, run."""
    install, test = next_steps.to_install(workspace, name, here), next_steps.to_test(workspace, name, here)
    return install, test, next_steps.to_run(workspace, name, here)


def _story(workspace: Workspace, answers: Answers, outcome: Outcome) -> str:

    name = answers.service_name
    folder = f"services/{name}/"
    inside = [path for path in outcome.change.added if str(path).startswith(folder)]
    lines = [f"Made the {answers.kind} {name} in {workspace.root}", f"  {folder} ({len(inside)} files)"]
    lines += [f"    {part.name} {part.story(name)}" for some in answers.parts.values() for part in some]
    lines += [f"  {path}" for path in outcome.change.added if path not in inside]
    lines += [f"  {path} (was there, kept as it is)" for path in outcome.kept]
    install, test, run = next_commands(workspace, name, Path.cwd())
    steps = (
        ("run it here, with NATS, reload and a page", next_steps.to_develop(workspace, Path.cwd())),
        ("install", install),
        ("see it work on a real NATS server", test),
        ("run its image with NATS and Consul, until it is healthy or fails", run),
    )
    lines += ["", "Next, from here:"]
    lines += [line for what, command in steps for line in (f"  {what}:", f"    {command}")]
    return "\n".join(lines)


def _document(workspace: Workspace, answers: Answers, outcome: Outcome, *, dry_run: bool) -> dict[str, object]:
    document: dict[str, object] = {
        "service": answers.service_name,
        "workspace": str(workspace.root),
        "dry_run": dry_run,
        "created": [str(path) for path in outcome.change.added],
        "kept": [str(path) for path in outcome.kept],
        "answers": answers.as_data(),
        "next": next_commands(workspace, answers.service_name, Path.cwd()),
    }
    return {**document, "diff": outcome.change.diff()} if dry_run else document
