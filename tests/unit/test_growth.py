"""A handler comes and goes, and everything else stays as it is."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from natsgen.answers import answers, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.errors import ConflictError, InputError, NatsgenError, ServiceError, UnsafePathError
from natsgen.files import tree
from natsgen.files.tree import Tree
from natsgen.files.workspace import Workspace
from natsgen.parts.handlers import HANDLERS, Handler
from natsgen.parts.kinds import is_owners
from natsgen.rendering import render, template_source
from natsgen.services import edit
from natsgen.services.edit import Added, Removed, ServiceTarget

TEMPLATE = template_source.bundled()
QUESTIONS = questions.read(TEMPLATE.folder)
PAID = Handler("order_paid", "orders.order.paid")
FOLDER = Path("services/billing/src/domain/handlers")
TESTS = Path("services/billing/tests/handlers")
BILLING = GivenAnswers.of({"service_name": "billing", "handlers": {"order_created": "orders.order.created"}}, {})


@pytest.fixture(scope="module")
def worker_tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    root = tmp_path_factory.mktemp("any") / "shop"
    return render.render(TEMPLATE, answers.complete(BILLING, QUESTIONS, root).as_data())


@pytest.fixture
def shop(workspace: Workspace, worker_tree: Tree) -> Workspace:
    """A workspace with the worker billing, which handles orders.order.created."""
    for path, file in worker_tree.items():
        (workspace.root / path).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / path).write_bytes(file.content)
    return workspace


def site(shop: Workspace, service: str = "billing", *, dry_run: bool = False) -> ServiceTarget:
    return ServiceTarget(shop, dry_run, print, TEMPLATE, QUESTIONS, service)


def add(shop: Workspace, handler: Handler = PAID, service: str = "billing", *, dry_run: bool = False) -> Added:
    return edit.add(site(shop, service, dry_run=dry_run), handler)


def remove(shop: Workspace, name: str, *, force: bool = False, dry_run: bool = False) -> Removed:
    return edit.remove(site(shop, dry_run=dry_run), HANDLERS, name, force=force)


def consumers(removed: Removed) -> tuple[tuple[str, str], ...]:
    return tuple((one.stream, one.name) for part in removed.file.parts for one in part.on_server("billing"))


def git(shop: Workspace, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(shop.root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_two_files_come_and_nothing_else_changes(shop: Workspace) -> None:
    before = tree.read(shop.root)
    added = add(shop)
    after = tree.read(shop.root)
    assert set(after) - set(before) == set(added.change.added)
    assert [str(path) for path in added.change.added] == [
        str(FOLDER / "order_paid_handler.py"),
        str(TESTS / "test_order_paid_handler.py"),
    ]
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize(
    "handler",
    [
        PAID,
        replace(PAID, durable="d", concurrency=7),
        replace(PAID, batch=True),
        Handler("n" * 64, "s" * 255, durable="d" * 128, concurrency=10_000, batch=True),
        Handler("wide", "orders.*.order-item.>"),
    ],
)
def test_a_handler_that_is_added_is_byte_for_byte_what_a_new_worker_would_have(
    shop: Workspace, handler: Handler
) -> None:
    given = GivenAnswers.of({**BILLING.values, "handlers": {handler.name: handler.to_answer()}}, {})
    made = render.render(TEMPLATE, answers.complete(given, QUESTIONS, shop.root).as_data())
    added = add(shop, handler)
    assert dict(added.change.after) == {path: made[path] for path in added.change.added}


def test_add_then_remove_leaves_git_status_empty(shop: Workspace) -> None:
    git(shop, "init", "-q")
    git(shop, "add", "-A")
    git(shop, "commit", "-qm", "x")
    for handler in (PAID, Handler("audit", "orders.>", "audit", 10, batch=True)):
        add(shop, handler)
        new = 3 if handler.batch else 2  # with the package of batch handlers
        assert git(shop, "status", "--porcelain").count("\n") == new
        remove(shop, handler.name)
        assert git(shop, "status", "--porcelain") == ""


def test_two_branches_that_each_add_a_handler_merge_without_a_conflict(shop: Workspace) -> None:
    git(shop, "init", "-q", "-b", "main")
    git(shop, "add", "-A")
    git(shop, "commit", "-qm", "x")
    for name in ("order_paid", "order_cancelled"):
        git(shop, "switch", "-q", "-c", name, "main")
        add(shop, Handler(name, f"orders.order.{name}"))
        git(shop, "add", "-A")
        git(shop, "commit", "-qm", name)
    git(shop, "merge", "-q", "-m", "both", "order_paid")
    names = sorted(path.name for path in (shop.root / FOLDER).glob("*_handler.py"))
    assert names == ["order_cancelled_handler.py", "order_created_handler.py", "order_paid_handler.py"]


def test_folders_that_add_has_to_make_go_again_with_remove(shop: Workspace) -> None:
    for path in sorted((shop.root / "services/billing/tests").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (shop.root / "services/billing/tests").rmdir()
    before = sorted(shop.root.rglob("*"))
    add(shop)
    remove(shop, "order_paid")
    assert sorted(shop.root.rglob("*")) == before


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (Handler("order_created", "a.b"), r"order_created_handler\.py exists already \(orders\.order\.created\)"),
        (Handler("x", "a.b", durable="billing-order_created"), "already uses the durable 'billing-order_created'"),
    ],
)
def test_a_clash_is_refused_with_what_is_there(shop: Workspace, handler: Handler, message: str) -> None:
    before = tree.read(shop.root)
    for dry_run in (True, False):
        with pytest.raises(ConflictError, match=message):
            add(shop, handler, dry_run=dry_run)
    assert tree.read(shop.root) == before


def test_a_handler_of_the_name_in_another_file_is_a_clash(shop: Workspace) -> None:
    (shop.root / FOLDER / "own_handler.py").write_text('\n@subscriber("a.b")\nasync def handle_order_paid(e): ...')
    with pytest.raises(ConflictError, match=r"own_handler\.py, line 3: there is already a handler 'order_paid'"):
        add(shop)


def test_the_name_that_a_clash_proposes_is_free(shop: Workspace) -> None:
    with pytest.raises(ConflictError, match="--name legacy_order_created"):
        add(shop, Handler("order_created", "legacy.order.created"))


def test_a_test_that_is_there_already_is_left_alone(shop: Workspace) -> None:
    (shop.root / TESTS / "test_order_paid_handler.py").write_text("a person's")
    with pytest.raises(ConflictError, match="exists already: nothing was changed"):
        add(shop)
    assert not (shop.root / FOLDER / "order_paid_handler.py").exists()


def test_a_second_handler_of_one_subject_is_taken_with_a_note(shop: Workspace) -> None:
    (note,) = add(shop, Handler("archive", "orders.order.created")).notes
    assert (
        "order_created (src/domain/handlers/order_created_handler.py) also has the subject orders.order.created" in note
    )


def test_a_file_that_does_not_parse_is_no_obstacle_and_is_told(shop: Workspace) -> None:
    (shop.root / FOLDER / "broken_handler.py").write_text("def (")
    (note,) = add(shop).notes
    assert "broken_handler.py could not be checked for duplicates: line 1" in note


def test_a_dry_run_has_the_diff_and_writes_nothing(shop: Workspace) -> None:
    before = tree.read(shop.root)
    planned = add(shop, dry_run=True)
    assert planned.change.diff().count("new file mode") == 2
    assert tree.read(shop.root) == before
    assert add(shop).change == planned.change
    assert remove(shop, "order_paid", dry_run=True).change.diff().count("deleted file mode") == 2
    assert (shop.root / FOLDER / "order_paid_handler.py").exists()


def test_an_unknown_service_is_refused_with_the_nearest(shop: Workspace) -> None:
    with pytest.raises(
        InputError, match=r"unknown service 'biling' in .*; did you mean 'billing'\? \(available: billing\)"
    ):
        add(shop, service="biling")
    (shop.root / "services/other").mkdir()
    with pytest.raises(ServiceError, match="it was not created by natsgen"):
        add(shop, service="other")


def test_an_unknown_service_makes_no_workspace(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are none"):
        add(Workspace(tmp_path / "new"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "order_created",
        "order-created",
        "order_created_handler",
        "order_created_handler.py",
        "test_order_created_handler.py",
        "services/billing/src/domain/handlers/order_created_handler.py",
        "handle_order_created",
    ],
)
def test_a_handler_goes_by_any_of_its_names(shop: Workspace, name: str) -> None:
    removed = remove(shop, name)
    assert [path.name for path in removed.change.removed if is_owners(path.relative_to("services/billing"))] == [
        "order_created_handler.py",
        "test_order_created_handler.py",
    ]
    assert not (shop.root / FOLDER / "order_created_handler.py").exists()


def test_an_unknown_handler_is_refused_with_the_nearest(shop: Workspace) -> None:
    with pytest.raises(InputError, match=r"no handler 'order_crated'; did you mean 'order_created'\?"):
        remove(shop, "order_crated")


@pytest.mark.parametrize("path", [FOLDER / "order_created_handler.py", TESTS / "test_order_created_handler.py"])
def test_what_a_person_edited_goes_only_by_force(shop: Workspace, path: Path) -> None:
    file = shop.root / path
    file.write_text(f"{file.read_text()}# mine\n")
    before = tree.read(shop.root)
    with pytest.raises(ConflictError, match=rf"{path.name}: edited since natsgen created it, so nothing .*--force"):
        remove(shop, "order_created")
    assert tree.read(shop.root) == before
    add(shop)
    assert len(remove(shop, "order_created", force=True).change.removed) == 2
    assert not file.exists()


def test_a_handler_that_a_person_wrote_goes_only_by_force(shop: Workspace) -> None:
    (shop.root / FOLDER / "own_handler.py").write_text('@subscriber("a.b")\nasync def handle_other(e): ...')
    with pytest.raises(ConflictError, match="edited, or not created by natsgen"):
        remove(shop, "own")
    assert consumers(remove(shop, "other", force=True)) == (("A", "billing-other"),)


def test_a_file_that_does_not_parse_goes_by_force(shop: Workspace) -> None:
    (shop.root / FOLDER / "broken_handler.py").write_text("def (")
    with pytest.raises(ConflictError, match="edited, or not created by natsgen"):
        remove(shop, "broken")
    assert consumers(remove(shop, "broken", force=True)) == ()


def test_a_test_that_a_person_has_removed_is_no_obstacle(shop: Workspace) -> None:
    add(shop)
    (shop.root / TESTS / "test_order_created_handler.py").unlink()
    assert len(remove(shop, "order_created").change.removed) == 1


def test_the_consumers_that_stay_on_the_server_are_named(shop: Workspace) -> None:
    add(shop, Handler("archive", "legacy.>", durable="archive-1"))
    assert consumers(remove(shop, "archive")) == (("LEGACY", "archive-1"),)


def test_the_last_handler_goes_with_a_note(shop: Workspace) -> None:
    assert remove(shop, "order_created").notes == (
        "billing is now empty and will not start; add a handler, an action or another part",
    )


def test_a_symlink_is_not_removed(shop: Workspace, tmp_path: Path) -> None:
    file = shop.root / FOLDER / "order_created_handler.py"
    file.rename(tmp_path / "elsewhere.py")
    file.symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(ServiceError, match="not a regular file"):
        remove(shop, "order_created", force=True)
    assert file.is_symlink()


@pytest.mark.parametrize("folder", ["services", "services/billing", str(FOLDER)])
def test_nothing_is_written_through_a_symlink_that_leads_out(shop: Workspace, tmp_path: Path, folder: str) -> None:
    (shop.root / folder).rename(tmp_path / "outside")
    (shop.root / folder).symlink_to(tmp_path / "outside")
    before = tree.read(tmp_path / "outside")
    with pytest.raises(UnsafePathError, match="outside the workspace"):
        add(shop)
    assert tree.read(tmp_path / "outside") == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "is not valid YAML"),
        ("- x", "contains no answers"),
        ("service_name: audit\n", "contains the answers of 'audit', not of 'billing'"),
        ("service_name: billing\n", "billing would be empty"),
        ("service_name: billing\nhandlers: {x: a b}\n", "invalid subject 'a b'"),
        ("service_name: billing\nhandlers: {x: a.b}\nbounded_context: ../x\n", "invalid bounded context"),
        ("[" * 100_000, "is not valid YAML"),
    ],
)
def test_answers_that_cannot_be_used_are_one_error(shop: Workspace, content: str, message: str) -> None:
    (shop.root / "services/billing/.copier-answers.yml").write_text(content)
    before = tree.read(shop.root)
    with pytest.raises(ServiceError, match=message):
        add(shop)
    assert tree.read(shop.root) == before


def test_answers_of_an_older_template_get_the_defaults_of_what_it_did_not_ask(shop: Workspace) -> None:
    file = shop.root / "services/billing/.copier-answers.yml"
    file.write_text("service_name: billing\nhandlers: {order_created: orders.order.created}\ngone: x\n")
    assert len(add(shop).change.added) == 2


def test_two_at_once_that_add_different_handlers_both_succeed(shop: Workspace) -> None:
    handlers = [Handler(f"h{number}", f"orders.h{number}") for number in range(4)]
    assert at_once([lambda one=one: add(shop, one) for one in handlers]) == []
    assert all((shop.root / FOLDER / f"{one.name}_handler.py").exists() for one in handlers)
    assert not (shop.root / ".natsgen").exists()


def test_two_at_once_that_add_the_same_handler_add_it_once(shop: Workspace) -> None:
    (failure,) = at_once([lambda: add(shop), lambda: add(shop)])
    assert isinstance(failure, ConflictError)
    assert "exists already" in str(failure)


def at_once(commands: list[Callable[[], object]]) -> list[NatsgenError]:
    failures: list[NatsgenError] = []

    def attempt(command: Callable[[], object]) -> None:
        try:
            command()
        except NatsgenError as error:
            failures.append(error)

    threads = [threading.Thread(target=attempt, args=(command,)) for command in commands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return failures
