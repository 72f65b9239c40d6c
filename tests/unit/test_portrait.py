"""`show`: what a person changed is found by making the service again."""

from __future__ import annotations

from pathlib import Path

import pytest

from natsgen.answers import answers, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.files.tree import Tree
from natsgen.files.workspace import Workspace
from natsgen.parts.actions import Action
from natsgen.parts.handlers import Handler
from natsgen.parts.routes import Route
from natsgen.rendering import render, template_source
from natsgen.services import describe, edit
from natsgen.services.describe import ServiceReport
from natsgen.services.edit import ServiceTarget

TEMPLATE = template_source.bundled()
QUESTIONS = questions.read(TEMPLATE.folder)
SERVICE = Path("services/billing")


@pytest.fixture(scope="module")
def worker_tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    given = GivenAnswers.of({"service_name": "billing", "handlers": {"order_created": "orders.order.created"}}, {})
    root = tmp_path_factory.mktemp("any") / "shop"
    return render.render(TEMPLATE, answers.complete(given, QUESTIONS, root).as_data())


@pytest.fixture
def shop(workspace: Workspace, worker_tree: Tree) -> Workspace:
    for path, file in worker_tree.items():
        (workspace.root / path).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / path).write_bytes(file.content)
    return workspace


def of(shop: Workspace) -> ServiceReport:
    return describe.describe_service(shop, TEMPLATE, QUESTIONS, "billing", TEMPLATE.commit)


def changed(shop: Workspace) -> list[tuple[str, str, bool]]:
    return [(str(one.path.relative_to(SERVICE)), one.how, one.is_own) for one in of(shop).changed]


def site(shop: Workspace) -> ServiceTarget:
    return ServiceTarget(shop, False, print, TEMPLATE, QUESTIONS, "billing")


def test_a_service_as_it_was_made_has_no_changed_file(shop: Workspace) -> None:
    found = of(shop)
    assert found.changed == ()
    assert found.answers["handlers"] == {"order_created": "orders.order.created"}
    assert found.is_outdated is False
    assert {"NATS_URL", "LOG_LEVEL", "DEDUP"} <= {setting.name for setting in found.settings}
    assert all(setting.meaning for setting in found.settings)


def test_a_handler_that_was_added_is_no_change(shop: Workspace) -> None:
    edit.add(site(shop), Handler("paid", "a.paid", "d", 2))
    assert changed(shop) == []


def test_an_action_that_was_added_is_no_change_until_a_person_changes_it(shop: Workspace) -> None:
    quote = Action("quote", "quote", version=2, timeout=2.5)
    edit.add(site(shop), quote)
    assert changed(shop) == []
    (shop.root / SERVICE / "src/domain/actions/quote_action.py").write_text("mine")
    assert changed(shop) == [("src/domain/actions/quote_action.py", "changed", True)]


@pytest.mark.parametrize("framework", answers.FRAMEWORKS)
def test_a_route_that_was_added_is_no_change_until_a_person_changes_it(workspace: Workspace, framework: str) -> None:
    given = GivenAnswers.of({"service_name": "billing", "framework": framework}, {})
    made = render.render(TEMPLATE, answers.complete(given, QUESTIONS, workspace.root).as_data())
    for path, file in made.items():
        (workspace.root / path).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / path).write_bytes(file.content)
    edit.add(site(workspace), Route("pay", "PUT", "/pay/{id}", publish="orders.paid"))
    assert changed(workspace) == []
    assert of(workspace).published == ("orders.paid",)
    (workspace.root / SERVICE / "tests/routes/test_pay_route.py").write_text("mine")
    assert changed(workspace) == [("tests/routes/test_pay_route.py", "changed", True)]


def test_a_route_in_a_service_without_a_framework_is_what_a_person_made(shop: Workspace) -> None:
    file = shop.root / SERVICE / "src/web/routes/pay_route.py"
    file.parent.mkdir(parents=True)
    file.write_text('@router.put("/pay")\nasync def pay(nats):\n    await nats.call("v1.orders.pay")\n')
    assert changed(shop) == [("src/web/routes/pay_route.py", "changed", True)]


def test_changed_and_missing_files_are_told_and_a_persons_own_are_marked(shop: Workspace) -> None:
    (shop.root / SERVICE / "src/main.py").write_text("changed")
    (shop.root / SERVICE / "Dockerfile").unlink()
    (shop.root / SERVICE / "src/domain/handlers/order_created_handler.py").write_text("mine")
    (shop.root / SERVICE / "src/domain/handlers/own_handler.py").write_text("mine too")
    (shop.root / SERVICE / "notes.txt").touch()
    (shop.root / "compose/infrastructure.yml").write_text("the workspace's own")
    assert changed(shop) == [
        ("Dockerfile", "missing", False),
        ("src/domain/handlers/order_created_handler.py", "changed", True),
        ("src/domain/handlers/own_handler.py", "changed", True),
        ("src/main.py", "changed", False),
    ]


def test_an_older_service_is_told(shop: Workspace) -> None:
    file = shop.root / SERVICE / ".copier-answers.yml"
    file.write_text(file.read_text().replace(f"_commit: {TEMPLATE.commit}", "_commit: v0.0.1"))
    assert of(shop).is_outdated


def test_settings_that_do_not_parse_are_told(shop: Workspace) -> None:
    (shop.root / SERVICE / "src/config.py").write_text("class (")
    assert of(shop).settings == ()
    assert of(shop).settings_error.startswith("src/config.py: line 1: ")


def test_published_subjects_are_told(shop: Workspace) -> None:
    file = shop.root / SERVICE / "src/domain/handlers/order_created_handler.py"
    file.write_text(f'{file.read_text()}\nasync def f(m): await m.publish("invoices.invoice.written", x)\n')
    assert of(shop).published == ("invoices.invoice.written",)


@pytest.mark.parametrize(("newest", "outdated"), [("v9.0", True), ("v0.0.1", False)])
def test_a_newer_version_is_one_by_the_rules_of_update(shop: Workspace, newest: str, outdated: bool) -> None:
    assert describe.describe_service(shop, TEMPLATE, QUESTIONS, "billing", newest).is_outdated is outdated


def test_a_file_that_became_executable_is_changed_as_check_has_it(shop: Workspace) -> None:
    (shop.root / SERVICE / "README.md").chmod(0o755)
    assert changed(shop) == [("README.md", "changed", False)]
