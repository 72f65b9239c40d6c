"""`natsgen add-handler`, `remove-handler` and the like: add or remove a part of a kind with its test."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from natsgen import messages
from natsgen.cli import commands, completion, next_steps, options, output, templates
from natsgen.cli.options import argument, switch, value
from natsgen.files.workspace import SERVICES
from natsgen.parts.actions import ACTIONS
from natsgen.parts.handlers import HANDLERS
from natsgen.parts.kind import Leftover, PartKind
from natsgen.parts.kinds import is_owners
from natsgen.parts.publishers import PUBLISHERS
from natsgen.parts.routes import ROUTES
from natsgen.parts.rules import Flag
from natsgen.parts.subscribers import SUBSCRIBERS
from natsgen.parts.tasks import TASKS

if TYPE_CHECKING:
    from natsgen.services.edit import Added, Removed
    from natsgen.transaction.change import Change


def adding(kind: PartKind) -> Callable[[Callable[[], None]], Callable[..., None]]:
    """Return a decorator that replaces a function by the command that adds a part.

    The function's docstring becomes the help; the sentences that all kinds share go before its second paragraph.
    """
    parameters: dict[str, tuple[Any, Any]] = {
        "service": (options.Gateway if kind.for_gateways else options.Service, commands.REQUIRED),
        "text": (str, argument(*kind.argument)),
    }
    if kind.proposal:
        parameters["name"] = (str | None, value("NAME", f"Name of the {kind.noun} [default: {kind.proposal}]"))
    switches = {}
    for option in (option for option in kind.options if option.help):
        if isinstance(option.rule, Flag):
            is_on = getattr(kind.part, option.key)
            switches[option.key] = not is_on
            parameters[option.key] = (bool, switch(f"--{'no-' if is_on else ''}{option.key}", option.help))
        else:
            parameters[option.key] = (str | None, value(option.rule.metavar, option.help))
    parameters["how"] = (options.Writing, commands.REQUIRED)

    def add(service: str, text: str, how: options.Writing, name: str | None = None, **given: Any) -> None:
        from natsgen.services import edit

        switched = {key: value for key, value in switches.items() if given.pop(key)}
        part = kind.part.from_text(text, name, **kind.parse(**given), **switched)
        with templates.target(how, service) as target:
            done = edit.add(target, part)
        _tell_added(how, service, done)

    def decorate(function: Callable[[], None]) -> Callable[..., None]:
        summary, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
        add.__doc__ = f"{summary}\n\n{_about_adding(kind)} {rest}"
        return commands.with_parameters(add, parameters)

    return decorate


def _about_adding(kind: PartKind) -> str:
    """Return the sentences of the help that are the same for all kinds."""
    files = f"This creates two files, so branches that each add {_a(kind)} merge without a conflict."
    if kind.for_gateways:
        return files
    return (
        f"{files} The first {kind.noun} also brings the package that {kind.question} need. "
        "If the service has deployment files, natsgen updates them too."
    )


def _a(kind: PartKind) -> str:
    return f"{'an' if kind.noun[0] in 'aeiou' else 'a'} {kind.noun}"


@adding(HANDLERS)
def add_handler() -> None:
    """Add a handler and its test to a service.

    The worker discovers the handler when it starts.

    \b
    Examples:
      natsgen add-handler billing orders.order.cancelled
      natsgen add-handler billing 'orders.>' --name audit --concurrency 10
      natsgen add-handler billing orders.order.created --name archive --batch
    """


@adding(ACTIONS)
def add_action() -> None:
    """Add an action and its test to a service.

    The service answers on vVERSION.SERVICE.ACTION after a restart. A new version of an existing action gets its own
    file, and the service answers both versions.

    \b
    Examples:
      natsgen add-action greeter farewell
      natsgen add-action greeter greet --version 2
      natsgen add-action greeter report --concurrency 4 --timeout 30
    """


@adding(ROUTES)
def add_route() -> None:
    """Add a route and its test to a gateway.

    The gateway discovers the route when it starts. A call returns the action's reply. Publishing returns 202 after the
    stream has stored the event.

    \b
    Examples:
      natsgen add-route api "POST /greet=v1.greeter.greet"
      natsgen add-route api "POST /orders/{order_id}=publish:orders.item.added"
      natsgen add-route api "GET /orders/{order_id}=v1.orders.get" --name order
    """


@adding(PUBLISHERS)
def add_publisher() -> None:
    """Add a publisher and its test to a service.

    The service discovers the publisher when it starts.

    \b
    Examples:
      natsgen add-publisher billing billing.heart.beat --interval 10
      natsgen add-publisher billing events.test --name test --core
    """


@adding(SUBSCRIBERS)
def add_subscriber() -> None:
    """Add a subscriber of core NATS, and its test, to a service.

    The subscriber receives messages only while the service runs. For messages that must not be lost, add a handler.

    \b
    Examples:
      natsgen add-subscriber billing events.test --queue-group workers
      natsgen add-subscriber billing 'events.>' --name ear
    """


@adding(TASKS)
def add_task() -> None:
    """Add a task and its test to a service.

    The service discovers the task when it starts. Any service can enqueue it as QUEUE.TASK, even before that.

    \b
    Examples:
      natsgen add-task mailer send_email --queue emails
      natsgen add-task mailer send_invoice --timeout 30 --max-attempts 8
    """


def removing(kind: PartKind, consequence: str, example: str) -> Callable[..., None]:
    """Return the command that removes a part of a kind.

    Args:
        kind: the kind of the part.
        consequence: the consequence of the removal, in one or two sentences.
        example: the service and the part of an example.
    """
    place = "gateway" if kind.for_gateways else "service"
    line = f"natsgen remove-{kind.noun} {example}"
    named = argument(
        kind.noun.upper(),
        f"Name of the {kind.noun}, or of its file.",
        autocompletion=completion.parts_of(kind.question),
    )

    def remove(service: str, part: str, how: options.Writing, force: bool) -> None:
        from natsgen.services import edit

        with templates.target(how, service) as target:
            done = edit.remove(target, kind, part, force=force)
        _tell_removed(how, service, done)

    remove.__doc__ = (
        f"Remove {_a(kind)} and its test from a {place}.\n\n"
        f"natsgen refuses to delete edited files unless --force is given. {consequence}\n\n"
        f"\b\nExamples:\n  {line}\n  {line} --dry-run\n"
    )
    parameters = {
        "service": (options.Gateway if kind.for_gateways else options.Service, commands.REQUIRED),
        "part": (str, named),
        "force": (options.Force, False),
        "how": (options.Writing, commands.REQUIRED),
    }
    return commands.with_parameters(remove, parameters)


remove_handler = removing(
    HANDLERS,
    "The handler's consumers stay on the NATS server; natsgen prints the commands that delete them.",
    "billing order_cancelled",
)
remove_task = removing(
    TASKS,
    "The task's consumers and schedules stay on the NATS server; natsgen prints the commands that delete them.",
    "mailer send_email",
)
remove_action = removing(
    ACTIONS,
    'When no instance has the action, callers get the error "no responders".',
    "greeter farewell",
)
remove_route = removing(
    ROUTES,
    "The gateway then answers the route's requests with 404, or with 405 if another route has the same path.",
    "api greet",
)
remove_publisher = removing(PUBLISHERS, "Published messages stay in their stream.", "billing heart_beat")
remove_subscriber = removing(SUBSCRIBERS, "Nothing remains on the NATS server.", "billing events_test")


def packages_of(service: str, paths: Sequence[PurePosixPath]) -> list[str]:
    """Return the packages that are added or removed with some files: those whose marker is among them."""
    from natsgen.parts import packages

    place = PurePosixPath(SERVICES, service)
    return [package.name for package in packages.PACKAGES if place / package.marker in paths]


def _tell_added(how: options.Writing, service: str, done: Added) -> None:
    part, change, here = done.part, done.change, Path.cwd()
    test = next_steps.to_test(how.place, service, here, str(part.kind.test(part.name)))
    run = next_steps.to_run(how.place, service, here)
    story = [
        f"Added the {part.kind.noun} {part.name} to {service} in {how.place.root}",
        *_files(service, change, change.added, "with"),
        f"  it {part.story(service)}",
        "",
        "Next, from here:",
        "  test it:",
        f"    {test}",
        f"  run it; a service discovers its {part.kind.question} when it starts:",
        f"    {run}",
    ]
    facts = {
        "service": service,
        part.kind.noun: part.name,
        **part.facts(service),
        "created": change.added,
        "changed": change.replaced,
        "next": (test, run),
        "notes": done.notes,
    }
    how.report(change, facts, story, done.notes)


def _tell_removed(how: options.Writing, service: str, done: Removed) -> None:
    """Report a removed part, the consequences, and what to delete on the NATS server."""
    file, kind = done.file, done.file.kind
    left = [one for part in file.parts for one in part.on_server(service)]
    deletions = [_deletion(one) for one in sorted(left, key=lambda one: one.what, reverse=True)]
    abouts = [about.text for part in file.parts if (about := part.about(service))]
    facts: dict[str, object] = {"service": service, kind.noun: file.name}
    facts |= {"removed": done.change.removed, "changed": done.change.replaced}
    if kind.leaves:
        facts |= {what: [_leftover(one) for one in left if one.what == what] for what in kind.leaves}
    else:
        facts[kind.abouts] = abouts
    story = [f"Removed the {kind.noun} {file.name} from {service} in {how.place.root}"]
    story += _files(service, done.change, done.change.removed, "and")
    if deletions:
        story += ["", f"These stay on the server. Delete them when no running worker has this {kind.noun}:"]
        story += [f"  {output.printable(command)}" for command in deletions]
    elif kind.goodbye and abouts:
        story += ["", *(output.printable(kind.goodbye.format(service=service, about=about)) for about in abouts)]
    how.report(done.change, {**facts, "next": deletions, "notes": done.notes}, story, done.notes)


def _deletion(left: Leftover) -> str:
    stream, name = shlex.quote(left.stream), shlex.quote(left.name)
    if left.what == "schedules":
        return f"nats stream purge {stream} --subject {name}"
    return f"nats consumer rm {stream} {name}"


def _leftover(left: Leftover) -> dict[str, str]:
    return {"stream": left.stream, "subject" if left.what == "schedules" else "durable": left.name}


def _files(service: str, change: Change, paths: Sequence[PurePosixPath], word: str) -> Iterator[str]:
    """Yield the lines about added or removed files: the part's files, and counts for packages and deployment files."""
    from natsgen.services import service_packages

    place = PurePosixPath(SERVICES, service)
    deploys = place / "deploy"
    of_part = [path for path in paths if is_owners(path.relative_to(place))]
    yield from (f"  {path}" for path in of_part)
    if more := [path for path in paths if path not in of_part and not path.is_relative_to(deploys)]:
        names = packages_of(service, more)
        count = messages.counted(len(more), "file")
        yield f"  {word} {service_packages.listed(names)} ({count})" if names else f"  {word} {count} more"
    if redeployed := {path for path in (*change.before, *change.after) if path.is_relative_to(deploys)}:
        yield f"  and changed {messages.counted(len(redeployed), 'file')} in {deploys}/"
