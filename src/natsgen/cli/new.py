"""`natsgen new`: creates services."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from natsgen.cli import commands, completion, missing, next_steps, options, output, templates
from natsgen.cli.options import switch, value
from natsgen.errors import InputError

if TYPE_CHECKING:
    from natsgen.answers.answers import Answers
    from natsgen.files.workspace import Workspace
    from natsgen.parts.kind import Part
    from natsgen.services.create import Outcome

    Read = Callable[[Sequence[str]], Sequence[Part]]

INFRASTRUCTURE = "compose/infrastructure.yml"
Text = str | None
Texts = list[str] | None
NAME = options.argument("NAME", "Name of the service: lower-case letters, digits, hyphens.", None)


@dataclass(frozen=True)
class _Common:
    """The options for every kind of service."""

    context: Text = value("NAME", "Bounded context [default: the first token of the first subject, or the name]")
    description: Text = value("TEXT", "What the service does, in one line.")
    envelope: Text = value("domain|message|cloudevents", "Envelope of the service's messages [default: domain]")
    extras: Texts = value(
        "EXTRA,...",
        "Extras to include, such as kv,objects; natsgen extras lists them (repeatable).",
        "--with",
        autocompletion=completion.extras,
    )
    deploy: Texts = value(
        "NAME,...",
        "Deployment files to include: catalog, kubernetes, monitoring (repeatable).",
        autocompletion=completion.deploys,
    )
    python: Text = value("3.11|3.12|3.13|3.14", "Python of the container image [default: 3.13]")
    image: Text = value("slim|alpine", "Base of the container image [default: slim]")
    network: Text = value("NAME", "Existing Docker network to join [default: the workspace's own]")
    registry: Text = value("HOST", "Registry of the base images [default: the public ones]")
    template: Text = options.TEMPLATE
    data: Texts = value("KEY=VALUE", "Answer to any question of the template, by its key (repeatable).")
    data_file: Path | None = value("FILE", "Answers as a YAML or JSON mapping; options and --data override it.")


@dataclass(frozen=True)
class _Contents:
    """The options of services with handlers, actions and tasks."""

    subject: Texts = value("SUBJECT", "Subject of events to handle; creates one handler each (repeatable).")
    action: Texts = value("NAME", "Action that answers requests (repeatable).")
    queue: Texts = value("QUEUE", "Queue to process; creates one task each; QUEUE=TASK names the task (repeatable).")
    framework: Text = value("none|fastapi|django", "Web framework; adding one creates a gateway [default: none]")
    route: Texts = value("ROUTE", 'Route of a gateway, such as "POST /greet=v1.greeter.greet" (repeatable).')
    version: Text = value("N", "Version of the actions, part of their subjects [default: 1]")
    dedup: Text = value("none|nats-kv|redis", "Where to store the IDs of handled messages [default: none]")


def worker(contents: _Contents, common: _Common, how: options.Writing, name: Text = NAME) -> None:
    """Create a worker: services/NAME/ and compose/NAME.yml.

    The worker is ready to run: it consumes its subjects from JetStream, registers in Consul, and has tests and a
    Dockerfile. --queue adds tasks, with or without --subject; --action adds actions. An existing service is never
    changed.

    \b
    Examples:
      natsgen new worker billing --subject orders.order.created
      natsgen new worker mailer --queue emails --queue reports=build_report
      natsgen new worker audit --subject 'orders.>' --dedup nats-kv
      natsgen new worker billing --subject orders.order.created --with kv,objects
      natsgen new worker billing --data-file answers.yml --no-input --json
      natsgen new worker billing --subject orders.order.created --dry-run
      natsgen new worker billing --template ../our-template@1.2.0
    """
    _with_contents("worker", name, contents, common, how)


def service(contents: _Contents, common: _Common, how: options.Writing, name: Text = NAME) -> None:
    """Create a service that answers requests.

    This creates services/NAME/ and compose/NAME.yml. The service answers each action on vVERSION.NAME.ACTION, is a NATS
    micro service (nats micro ls), registers in Consul, and has tests and a Dockerfile. --subject adds handlers. An
    existing service is never changed.

    \b
    Examples:
      natsgen new service greeter --action greet
      natsgen new service greeter --action greet --action farewell --version 2
      natsgen new service billing --action quote --subject orders.order.created
    """
    _with_contents("service", name, contents, common, how)


def gateway(contents: _Contents, common: _Common, how: options.Writing, name: Text = NAME) -> None:
    """Create a gateway: a service with FastAPI or Django.

    This creates services/NAME/ and compose/NAME.yml. Each HTTP route calls an action (METHOD PATH=SUBJECT) or publishes
    an event (METHOD PATH=publish:SUBJECT). --action and --subject add actions and handlers. An existing service is
    never changed.

    \b
    Examples:
      natsgen new gateway api --framework fastapi \\
        --route "POST /greet=v1.greeter.greet"
      natsgen new gateway api --framework django \\
        --route "POST /orders=publish:orders.order.created"
      natsgen new gateway api --framework fastapi \\
        --route "GET /hi/{name}=v1.api.hi" --action hi
    """
    _with_contents("gateway", name, contents, common, how)


def publisher(
    *,
    name: Text = NAME,
    subject: Texts = value("SUBJECT", "Subject to publish to; creates one publisher each (repeatable)."),
    interval: Text = value("SECONDS", "Interval between messages, for PUBLISH_INTERVAL [default: 2]"),
    core: bool = switch("--core", "Publish with core NATS instead of to a stream."),
    common: _Common,
    how: options.Writing,
) -> None:
    """Create a publisher: a service that publishes on an interval.

    This creates services/NAME/ and compose/NAME.yml. The service publishes messages, numbered without gaps, to the
    stream of each subject, and waits for the acknowledgements. With --core, it publishes with core NATS instead. If the
    server is down, it waits. An existing service is never changed.

    \b
    Examples:
      natsgen new publisher beat --subject events.test --interval 2
      natsgen new publisher beat --subject events.test --core --envelope message
    """
    from natsgen.parts import publishers

    parts = {"--subject": (partial(publishers.from_subjects, core=core), subject)}
    flags = {"NAME": name, "interval": interval}
    _create("publisher", common, how, parts, flags, typed="publisher --core" if core else "publisher")


def subscriber(
    *,
    name: Text = NAME,
    subject: Texts = value("SUBJECT", "Subject to subscribe to; creates one subscriber each (repeatable)."),
    queue_group: Text = value("NAME", "Queue group; one member receives each message; for QUEUE_GROUP [default: none]"),
    common: _Common,
    how: options.Writing,
) -> None:
    """Create a subscriber: a service that subscribes with core NATS.

    This creates services/NAME/ and compose/NAME.yml. The service receives messages only while it runs, and records
    their age. With --queue-group, one member of the group receives each message. For messages that must not be lost,
    create a worker. An existing service is never changed.

    \b
    Examples:
      natsgen new subscriber ear --subject events.test
      natsgen new subscriber ear --subject 'events.>' --queue-group workers
    """
    from natsgen.parts import subscribers

    parts = {"--subject": (subscribers.from_subjects, subject)}
    _create("subscriber", common, how, parts, {"NAME": name, "queue-group": queue_group})


app = commands.group(
    "Create a service.",
    {"worker": worker, "service": service, "gateway": gateway, "publisher": publisher, "subscriber": subscriber},
)


def _with_contents(kind: str, name: str | None, contents: _Contents, common: _Common, how: options.Writing) -> None:
    from natsgen.parts import actions, handlers, routes, tasks

    number = actions.ACTIONS.parse(version=contents.version).get("version")
    parts: dict[str, tuple[Read, Texts]] = {
        "--subject": (handlers.from_subjects, contents.subject),
        "--route": (routes.from_texts, contents.route),
        "--queue": (tasks.from_texts, contents.queue),
        "--action": (partial(actions.from_names, version=1 if number is None else number), contents.action),
    }
    flags = {"NAME": name, "framework": contents.framework, "dedup": contents.dedup}
    _create(kind, common, how, parts, flags, has_version=number is not None)


def _create(
    kind: str,
    common: _Common,
    how: options.Writing,
    parts: Mapping[str, tuple[Read, Texts]],
    flags: Mapping[str, str | None],
    *,
    typed: str = "",
    has_version: bool = False,
) -> None:
    """Create the service, and report it.

    Args:
        kind: the kind of the service.
        common: the options for every kind of service.
        how: the options of a command that changes a workspace.
        parts: for each option that gives parts, the function that converts its texts, and the texts.
        flags: the texts of other options that answer questions, by name.
        typed: the command after `natsgen new`, if it is not the kind.
        has_version: whether `--version` is given, which requires `--action`.
    """
    from natsgen.answers import answers, given_answers, questions, workspace_defaults
    from natsgen.services import create

    asked = missing.REQUIREMENTS[kind]
    inside = given_answers.from_names("extras", common.extras or [], "--with")
    inside = inside.over(given_answers.from_names("deploy", common.deploy or [], "--deploy"))
    for option, (read, texts) in parts.items():
        inside = inside.over(given_answers.from_texts(option, read, texts or []))
    with templates.for_new(common.template, how.place) as template:
        questionnaire = questions.read(template.folder)
        given = given_answers.from_flags({**vars(common), **flags}, questionnaire).over(inside)
        given = given.over(given_answers.from_pairs(common.data or [], questionnaire))
        if common.data_file is not None:
            given = given.over(given_answers.from_file(common.data_file, questionnaire))
        network = given.values.get("network")
        defaults = workspace_defaults.read(how.place.root, questionnaire, strict=common.template is None)
        # the default framework in natsgen.toml is for gateways only
        given = given.over(defaults if kind == "gateway" else defaults.without("framework"))
        answers.refuse_unasked(given, questionnaire, template.url)
        reader = parts[asked.option][0] if asked.option in parts else None
        given = missing.completed(given, typed or kind, asked, reader, questionnaire.questions)
        if has_version and given.sources.get("actions") != "--action":
            raise InputError("--version requires --action")
        complete = answers.complete(given, questionnaire, how.place.root)
        done = create.new_service(how.writer, template, questionnaire, complete)
    if network is not None and INFRASTRUCTURE in map(str, done.kept):
        where = given.sources.get("network", "--network")
        output.note(f"{where} {network} is ignored: {INFRASTRUCTURE} exists, and all services use its network")
    _tell(how, complete, done)


def next_commands(workspace: Workspace, name: str, here: Path) -> tuple[str, str, str]:
    """Return the commands that install, test and run a new service."""
    install, test = next_steps.to_install(workspace, name, here), next_steps.to_test(workspace, name, here)
    return install, test, next_steps.to_run(workspace, name, here)


def _tell(how: options.Writing, answers: Answers, done: Outcome) -> None:
    name, added = answers.service_name, done.change.added
    folder = f"services/{name}/"
    inside = [path for path in added if str(path).startswith(folder)]
    story = [f"Created the {answers.kind} {name} in {how.place.root}", f"  {folder} ({len(inside)} files)"]
    story += [f"    {part.name} {part.story(name)}" for some in answers.parts.values() for part in some]
    story += [f"  {path}" for path in added if path not in inside]
    story += [f"  {path} (exists, not changed)" for path in done.kept]
    install, test, run = commands_after = next_commands(how.place, name, Path.cwd())
    story += ["", "Next, from here:"]
    story += ["  run it here, with NATS, reload and a page:", f"    {next_steps.to_develop(how.place, Path.cwd())}"]
    story += ["  install:", f"    {install}", "  test it on a real NATS server:", f"    {test}"]
    story += ["  run its image with NATS and Consul, and wait until it is healthy:", f"    {run}"]
    document = {
        "service": name,
        "created": added,
        "kept": done.kept,
        "answers": answers.as_data(),
        "next": commands_after,
    }
    how.report(done.change, document, story, would="created")
