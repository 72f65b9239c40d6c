"""A route comes and goes, and everything else stays as it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from natsgen.answers import answers, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.errors import ConflictError, InputError, ServiceError
from natsgen.files import tree
from natsgen.files.tree import Tree
from natsgen.files.workspace import Workspace
from natsgen.parts.routes import ROUTES, Route
from natsgen.rendering import render, template_source
from natsgen.services import edit
from natsgen.services.edit import Added, Removed, ServiceTarget

TEMPLATE = template_source.bundled()
QUESTIONS = questions.read(TEMPLATE.folder)
PLACED = Route("order_placed", "POST", "/orders/{order_id}", publish="orders.order.placed")
FOLDER = Path("services/api/src/web/routes")
TESTS = Path("services/api/tests/routes")
GREET = {"method": "POST", "path": "/greet/{name}", "call": "v1.greeter.greet"}
FRAMEWORKS = ["fastapi", "django"]


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tree]:
    """The gateway api, which answers greet, by its framework; and as a service that is none."""
    root = tmp_path_factory.mktemp("any") / "shop"
    data = {name: {"service_name": "api", "framework": name, "routes": {"greet": GREET}} for name in FRAMEWORKS}
    data["none"] = {"service_name": "api", "actions": {"greet": {}}}
    return {
        name: render.render(TEMPLATE, answers.complete(GivenAnswers.of(values, {}), QUESTIONS, root).as_data())
        for name, values in data.items()
    }


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shop(workspace: Workspace, gateways: dict[str, Tree], framework: str) -> Workspace:
    """A workspace with the gateway api."""
    return put(workspace, gateways[framework])


def put(workspace: Workspace, files: Tree) -> Workspace:
    for path, file in files.items():
        (workspace.root / path).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / path).write_bytes(file.content)
    return workspace


def site(shop: Workspace, *, dry_run: bool = False) -> ServiceTarget:
    return ServiceTarget(shop, dry_run, print, TEMPLATE, QUESTIONS, "api")


def add(shop: Workspace, route: Route = PLACED, *, dry_run: bool = False) -> Added:
    return edit.add(site(shop, dry_run=dry_run), route)


def remove(shop: Workspace, name: str, *, dry_run: bool = False) -> Removed:
    return edit.remove(site(shop, dry_run=dry_run), ROUTES, name, force=False)


def git(shop: Workspace, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(shop.root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_two_files_come_and_nothing_else_changes(shop: Workspace) -> None:
    before = tree.read(shop.root)
    added = add(shop)
    after = tree.read(shop.root)
    assert set(after) - set(before) == set(added.change.added)
    assert [str(path) for path in added.change.added] == [
        str(FOLDER / "order_placed_route.py"),
        str(TESTS / "test_order_placed_route.py"),
    ]
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize(
    "route",
    [
        PLACED,
        Route("n" * 64, "GET", "/" + "p" * 100 + "/{" + "x" * 40 + "}", call="s" * 255),
        Route("root", "DELETE", "/", publish="orders"),
        Route("order", "PATCH", "/orders/{order_id}/items/{item}", call="v1.orders.order"),
    ],
)
def test_a_route_that_is_added_is_byte_for_byte_what_a_new_gateway_would_have(
    shop: Workspace, framework: str, route: Route
) -> None:
    values = {"service_name": "api", "framework": framework, "routes": {route.name: route.to_answer()}}
    made = render.render(TEMPLATE, answers.complete(GivenAnswers.of(values, {}), QUESTIONS, shop.root).as_data())
    added = add(shop, route)
    assert dict(added.change.after) == {path: made[path] for path in added.change.added}


def test_add_then_remove_leaves_git_status_empty(shop: Workspace) -> None:
    git(shop, "init", "-q")
    git(shop, "add", "-A")
    git(shop, "commit", "-qm", "x")
    for route in (PLACED, Route("hi", "GET", "/hi/{name}", call="v1.greeter.greet")):
        add(shop, route)
        assert git(shop, "status", "--porcelain").count("\n") == 2
        remove(shop, route.name)
        assert git(shop, "status", "--porcelain") == ""


@pytest.mark.parametrize("path", ["/greet/{name}", "/greet/{other}"])
def test_a_route_of_the_same_requests_is_refused_wherever_it_is(shop: Workspace, path: str) -> None:
    before = tree.read(shop.root)
    for dry_run in (True, False):
        with pytest.raises(ConflictError, match=r"greet_route\.py, line \d+: already answers POST /greet/\{name\}"):
            add(shop, Route("hello", "POST", path, call="v1.greeter.hello"), dry_run=dry_run)
    assert tree.read(shop.root) == before
    add(shop, Route("hello", "PUT", path, call="v1.greeter.hello"))


def test_the_name_that_a_clash_proposes_is_free(shop: Workspace) -> None:
    again = Route("greet", "POST", "/again", call="v1.greeter.greet")
    with pytest.raises(ConflictError, match=r"exists already \(POST /greet/\{name\}\).*--name greeter_greet$"):
        add(shop, again)
    add(shop, Route("greeter_greet", "POST", "/again", call=again.call))


def test_the_last_route_goes_without_a_note_since_a_gateway_starts_without_one(shop: Workspace) -> None:
    assert remove(shop, "greet").notes == ()


def test_a_service_without_a_framework_is_told_so(workspace: Workspace, gateways: dict[str, Tree]) -> None:
    put(workspace, gateways["none"])
    before = tree.read(workspace.root)
    with pytest.raises(ServiceError, match=r"api is not a gateway: routes need a web framework.*natsgen new gateway"):
        add(workspace)
    with pytest.raises(InputError, match=r"api has no route 'greet' \(it has none\)"):
        remove(workspace, "greet")
    assert tree.read(workspace.root) == before
