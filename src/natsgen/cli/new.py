"""`natsgen new`: what a person or a script says about a new service, and what they are told about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from natsgen.cli import commands, missing, new_help, next_steps, options, output
from natsgen.errors import InputError

if TYPE_CHECKING:
    from natsgen.answers import Answers
    from natsgen.scaffold import Outcome
    from natsgen.workspace import Workspace

INFRASTRUCTURE = "compose/infrastructure.yml"

app = typer.Typer()


@app.callback(invoke_without_command=True)
def new(context: typer.Context) -> None:
    """Make a new service."""
    if context.invoked_subcommand is None:
        commands.show_help(context)


@app.command("worker", help=new_help.WORKER)
@app.command("service", help=new_help.SERVICE)
@app.command("gateway", help=new_help.GATEWAY)
def make(
    called: typer.Context,
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
    action: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Action that it answers requests for; may be repeated."),
    ] = None,
    framework: Annotated[
        str | None,
        typer.Option(metavar="none|fastapi|django", help="Web framework, which makes it a gateway [default: none]"),
    ] = None,
    route: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROUTE", help='Route of a gateway, such as "POST /greet=v1.greeter.greet"; may be repeated.'
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(metavar="N", help="Version of the actions, in their subjects [default: 1]"),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Bounded context [default: the first token of the first subject, else the name]"
        ),
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
    """Makes the service; the command that was called says of which kind."""
    from natsgen import action_naming, answers, naming, organisation, questions, scaffold, template_source
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
        "framework": framework,
    }
    number = 1 if version is None else naming.at("--version", action_naming.version_in, version)
    given = answers.from_flags(flags, questionnaire).over(answers.from_subjects(subject or []))
    given = given.over(answers.from_actions(action or [], number)).over(answers.from_routes(route or []))
    given = given.over(answers.from_pairs(data or [], questionnaire))
    if data_file is not None:
        given = given.over(answers.from_file(data_file, questionnaire))
    place = workspaces.find(workspace, Path.cwd())
    asked = missing.BY_COMMAND[str(called.info_name)]
    defaults = organisation.read(place.root, questionnaire)
    # what the organisation's gateways are made with makes no gateway of others
    given = given.over(defaults if asked is missing.GATEWAY else defaults.without("framework"))
    answers.check(given)
    given = missing.completed(given, asked, number, may_ask=not no_input and output.can_ask())
    if version is not None and given.sources.get("actions") != "--action":
        raise InputError("--version: it is the version of what --action gives, and there is no --action")

    complete = answers.complete(given, questionnaire, place.root)
    outcome = scaffold.new_service(place, template, questionnaire, complete, dry_run=dry_run, notify=output.note)
    if network is not None and INFRASTRUCTURE in map(str, outcome.kept):
        output.note(f"{INFRASTRUCTURE} was there: its network counts for every service, and not --network {network}")
    if as_json:
        output.document(_document(place, complete, outcome, dry_run=dry_run))
    elif dry_run:
        output.dry_run(outcome.change.diff(), len(outcome.change.added), "made", place.root)
    else:
        output.result(_story(place, complete, outcome))


def next_commands(workspace: Workspace, name: str, here: Path) -> tuple[str, str, str]:
    """What to type after a service was made: install, test, run."""
    install, test = next_steps.to_install(workspace, name, here), next_steps.to_test(workspace, name, here)
    return install, test, next_steps.to_run(workspace, name, here)


def _story(workspace: Workspace, answers: Answers, outcome: Outcome) -> str:
    from natsgen.actions import Action
    from natsgen.handlers import subjects_of
    from natsgen.routes import Route

    name = answers.service_name
    folder = f"services/{name}/"
    inside = [path for path in outcome.change.added if str(path).startswith(folder)]
    lines = [f"Made the {answers.kind} {name} in {workspace.root}", f"  {folder} ({len(inside)} files)"]
    subjects = zip(answers.handlers, subjects_of(answers.handlers), strict=True)
    lines += [f"    {handler} handles {subject}" for handler, subject in subjects]
    actions = [Action.from_answer(key, entry) for key, entry in answers.actions.items()]
    lines += [f"    {action.name} answers {action.subject_in(name)}" for action in actions]
    routes = [Route.from_answer(key, entry) for key, entry in answers.routes.items()]
    lines += [f"    {route.name} answers {route.request} and {route.target}" for route in routes]
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
