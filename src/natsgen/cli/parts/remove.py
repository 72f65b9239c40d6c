"""`natsgen remove-handler` and the like for each kind: one file and its test go, with packages that they alone need."""

from collections.abc import Callable
from typing import Annotated

import typer

from natsgen.cli import completion, options
from natsgen.cli.parts import report
from natsgen.parts.actions import ACTIONS
from natsgen.parts.handlers import HANDLERS
from natsgen.parts.kind import PartKind
from natsgen.parts.publishers import PUBLISHERS
from natsgen.parts.routes import ROUTES
from natsgen.parts.subscribers import SUBSCRIBERS
from natsgen.parts.tasks import TASKS


def command(kind: PartKind, consequence: str, example: str) -> Callable[..., None]:
    """Return the command that removes a part of a kind.

    Args:
        kind: of the part.
        consequence: what a person should know before, in one sentence or two.
        example: the service and the part of an example.
    """
    Service = options.Gateway if kind.for_gateways else options.Service

    def remove(
        service: Service,  # type: ignore[valid-type]
        part: Annotated[
            str,
            typer.Argument(
                metavar=kind.noun.upper(),
                help=f"Name of the {kind.noun}, or of its file.",
                show_default=False,
                autocompletion=completion.parts_of(kind.question),
            ),
        ],
        force: options.Force = False,
        workspace: options.Workspace = None,
        dry_run: options.DryRun = False,
        as_json: options.AsJson = False,
    ) -> None:
        from natsgen.services import edit

        with report.target(str(service), workspace, dry_run=dry_run) as target:
            report.removed(target, edit.remove(target, kind, part, force=force), as_json=as_json)

    article = "an" if kind.noun[0] in "aeiou" else "a"
    place = "gateway" if kind.for_gateways else "service"
    line = f"natsgen remove-{kind.noun} {example}"
    remove.__doc__ = (
        f"Remove {article} {kind.noun} and its test from a {place}.\n\n"
        f"Refuses to delete edited files unless --force is given. {consequence}\n\n"
        f"\b\nExamples:\n  {line}\n  {line} --dry-run\n"
    )
    return remove


_STAYS = "What is on the NATS server is kept; the commands that delete it are printed."
remove_handler = command(HANDLERS, _STAYS, "billing order_cancelled")
remove_task = command(TASKS, _STAYS, "mailer send_email")
remove_action = command(
    ACTIONS,
    'Whoever calls it gets no answer any more when no instance with it runs: "no responders".',
    "greeter farewell",
)
remove_route = command(
    ROUTES,
    "A request for it is answered with 404 from then on, or with 405 where another route has the path.",
    "api greet",
)
remove_publisher = command(PUBLISHERS, "What it published stays in its stream.", "billing heart_beat")
remove_subscriber = command(SUBSCRIBERS, "Nothing of it is left on the NATS server.", "billing events_test")
