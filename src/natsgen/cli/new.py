"""`natsgen new`: what a person or a script says about a new service, and what they are told about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from natsgen.cli import commands, next_steps, options, output
from natsgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsgen.answers import Answers, Given
    from natsgen.scaffold import Outcome
    from natsgen.workspace import Workspace

INFRASTRUCTURE = "compose/infrastructure.yml"
EXAMPLE_NAME = "billing"
EXAMPLE_SUBJECT = "orders.order.created"

app = typer.Typer()


@app.callback(invoke_without_command=True)
def new(context: typer.Context) -> None:
    """Make a new service."""
    if context.invoked_subcommand is None:
        commands.show_help(context)


@app.command()
def worker(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="Name of the service: lower-case letters, digits, hyphens.", show_default=False
        ),
    ] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(metavar="SUBJECT", help="Subject of the events it handles, a handler each; may be repeated."),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Bounded context [default: the first token of the first subject]"),
    ] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What the service does, in one line.")] = None,
    workspace: options.Workspace = None,
    dedup: Annotated[
        str | None,
        typer.Option(metavar="none|nats-kv|redis", help="Where handled message ids are kept [default: none]"),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(metavar="3.11|3.12|3.13|3.14", help="Python of the container image [default: 3.13]"),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Existing Docker network to join [default: the workspace's own]"),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="Registry that base images are taken from [default: the public ones]"),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Answer any question of the template by its key; may be repeated."),
    ] = None,
    data_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Answers in a YAML or JSON mapping; options and --data go before it."),
    ] = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Make a worker: services/NAME/ and compose/NAME.yml.

    The worker runs as it is made: it consumes its subjects from JetStream, registers in Consul, has its own tests and
    its Dockerfile. An existing service is never touched.

    \b
    Examples:
      natsgen new worker billing --subject orders.order.created
      natsgen new worker audit --subject 'orders.>' --subject 'billing.>' --dedup nats-kv
      natsgen new worker billing --data-file answers.yml --no-input --json
      natsgen new worker billing --subject orders.order.created --dry-run | git apply
    """
    from natsgen import answers, organisation, questions, scaffold, template_source
    from natsgen import workspace as workspaces

    template = template_source.bundled()
    questionnaire = questions.read(template.folder)
    flags = {
        "service_name": name,
        "bounded_context": context,
        "description": description,
        "python_version": python,
        "dedup": dedup,
        "network": network,
        "registry": registry,
    }
    given = answers.from_flags(flags, questionnaire).over(answers.from_subjects(subject or []))
    given = given.over(answers.from_pairs(data or [], questionnaire))
    if data_file is not None:
        given = given.over(answers.from_file(data_file, questionnaire))
    place = workspaces.find(workspace, Path.cwd())
    given = given.over(organisation.read(place.root, questionnaire))
    answers.check(given)
    given = _with_missing(given, may_ask=not no_input and output.can_ask())

    complete = answers.complete(given, questionnaire, place.root)
    outcome = scaffold.new_worker(place, template, questionnaire, complete, dry_run=dry_run, notify=output.note)
    if network is not None and INFRASTRUCTURE in map(str, outcome.kept):
        output.note(f"{INFRASTRUCTURE} was there: its network counts for every service, and not --network {network}")
    if as_json:
        output.document(_document(place, complete, outcome, dry_run=dry_run))
    elif dry_run:
        output.dry_run(outcome.change.diff(), len(outcome.change.added), "made", place.root)
    else:
        output.result(_story(place, complete, outcome))


def next_commands(workspace: Workspace, name: str, here: Path) -> tuple[str, str, str]:
    """What to type after a worker was made: install, test, run."""
    install, test = next_steps.to_install(workspace, name, here), next_steps.to_test(workspace, name, here)
    return install, test, next_steps.to_run(workspace, name, here)


def _with_missing(given: Given, *, may_ask: bool) -> Given:
    """Asks for what only the person can know.

    Raises:
        InputError: something is missing and nobody can be asked.
    """
    from natsgen import answers, naming
    from natsgen.handlers import subjects_of

    missing = [
        option for key, option in (("service_name", "NAME"), ("handlers", "--subject")) if key not in given.values
    ]
    if missing and not may_ask:
        raise InputError(
            f"{' and '.join(missing)} must be given, as in: natsgen new worker {EXAMPLE_NAME} --subject "
            f"{EXAMPLE_SUBJECT}"
        )
    if "NAME" in missing:
        subjects = subjects_of(given.values.get("handlers", {}))
        name = _ask(
            "Name of the service",
            naming.service_for(subjects[0]) if subjects else EXAMPLE_NAME,
            "It names the folder under services/, the service in Consul and its consumers in NATS.",
            naming.service,
        )
        given = given.over(answers.Given({"service_name": name}, {}))
    if "--subject" in missing:
        text = _ask(
            "Subject",
            EXAMPLE_SUBJECT,
            "It handles the events of this subject (several with spaces between; * is any token, a last > all the "
            "rest).",
            lambda line: " ".join(naming.handlers_for([naming.subject(word) for word in line.split()]).values()),
        )
        given = given.over(answers.from_subjects(text.split()))
    return given


def _ask(question: str, default: str, reason: str, rule: Callable[[str], str]) -> str:
    while True:
        try:
            return rule(output.ask(question, default, reason))
        except InputError as error:
            output.error(str(error))


def _story(workspace: Workspace, answers: Answers, outcome: Outcome) -> str:
    from natsgen.handlers import subjects_of

    name = answers.service_name
    folder = f"services/{name}/"
    inside = [path for path in outcome.change.added if str(path).startswith(folder)]
    lines = [f"Made the worker {name} in {workspace.root}", f"  {folder} ({len(inside)} files)"]
    subjects = zip(answers.handlers, subjects_of(answers.handlers), strict=True)
    lines += [f"    {handler} handles {subject}" for handler, subject in subjects]
    lines += [f"  {path}" for path in outcome.change.added if path not in inside]
    lines += [f"  {path} (was there, kept as it is)" for path in outcome.kept]
    install, test, run = next_commands(workspace, name, Path.cwd())
    steps = (("install", install), ("see it work on a real NATS server", test), ("run it with NATS and Consul", run))
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
