"""`natsgen add-route` and `natsgen remove-route`: one file and its test come or go."""

from __future__ import annotations

from typing import Annotated

import typer

from natsgen.cli import completion, growing, options, output


def add_route(
    service: options.Gateway,
    route: Annotated[
        str,
        typer.Argument(
            metavar="ROUTE",
            help="METHOD PATH=SUBJECT: the action that it calls; or METHOD PATH=publish:SUBJECT: what it publishes to.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the route [default: the action's, or that of the event's handler]"),
    ] = None,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Add a route and its test to a gateway.

    Two files come and nothing else changes, so that two branches that each add a route merge without a conflict. The
    gateway finds it when it starts. A call answers with what the action answers; what is published is answered with 202
    as soon as a stream has it.

    \b
    Examples:
      natsgen add-route api "POST /greet=v1.greeter.greet"
      natsgen add-route api "POST /orders/{order_id}=publish:orders.item.added"
      natsgen add-route api "GET /orders/{order_id}=v1.orders.get" --name order
    """
    from natsgen import messages
    from natsgen.parts import route_naming
    from natsgen.parts.kinds import ROUTES
    from natsgen.parts.routes import Route
    from natsgen.services import route_growth

    given = None if name is None else messages.located("--name", route_naming.route, name)
    wanted = messages.located("ROUTE", lambda text: Route.from_text(text, given), route)
    with growing.site(service, workspace, dry_run=dry_run) as site:
        added = route_growth.add_route(site, wanted)
        facts = {"method": wanted.method, "path": wanted.path, wanted.target.verb: wanted.target.subject}
        done = growing.Done(site, ROUTES, wanted.name, added.change, added.notes, facts, as_json)
        done.tell_added(f"it answers {wanted.request} and {wanted.target}")


def remove_route(
    service: options.Gateway,
    route: Annotated[
        str,
        typer.Argument(
            metavar="ROUTE",
            help="Name of the route, or of its file.",
            show_default=False,
            autocompletion=completion.routes,
        ),
    ],
    force: options.Force = False,
    workspace: options.Workspace = None,
    no_input: options.NoInput = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove a route and its test from a gateway.

    What somebody edited is not removed without --force. A request for it is answered with 404 from then on, or with 405
    where another route has the path.

    \b
    Examples:
      natsgen remove-route api greet
      natsgen remove-route api order --dry-run
    """
    from natsgen.parts.kinds import ROUTES
    from natsgen.services import route_growth

    with growing.site(service, workspace, dry_run=dry_run) as site:
        removed = route_growth.remove_route(site, route, force=force)
        requests = [found.request.text for found in removed.file.routes]
        done = growing.Done(
            site, ROUTES, removed.file.name, removed.change, removed.notes, {"requests": requests}, as_json
        )
        done.tell_removed([output.printable(f"{service} will not answer {request} any more.") for request in requests])
