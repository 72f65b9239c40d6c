"""`natsgen update` of one service: what the template changed comes, what a person changed stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from natsgen.files import tree
from natsgen.files.workspace import Workspace
from tests.update import world
from tests.update.world import FIRST, SECOND, THIRD, Edit, Installed

BILLING = Path("services/billing")
HANDLER = BILLING / "src/domain/handlers/order_created_handler.py"
Releases = Mapping[str, Installed]


def files_of(folder: Path) -> dict[str, bytes]:
    """What is in a workspace, without git's and natsgen's own."""
    found = tree.read(folder)
    return {str(path): file.content for path, file in found.items() if path.parts[0] not in (".git", ".natsgen")}


def fresh(installed: Installed, folder: Path) -> dict[str, bytes]:
    """What that natsgen makes of the same answers."""
    place = folder / "fresh" / "shop"
    place.mkdir(parents=True)
    installed.do("new", "worker", "billing", "--subject", "orders.order.created", cwd=place)
    return files_of(place)


def test_an_unchanged_service_becomes_what_the_newer_natsgen_makes(
    installed: Releases, shop: Workspace, tmp_path: Path
) -> None:
    said = installed[THIRD].do("update", "billing", cwd=shop.root)
    assert files_of(shop.root) == fresh(installed[THIRD], tmp_path)
    assert f"billing  updated  {FIRST} -> {THIRD}" in said
    assert not (shop.root / ".natsgen").exists()


def test_it_goes_version_by_version_too(installed: Releases, shop: Workspace, tmp_path: Path) -> None:
    installed[THIRD].do("update", "billing", "--to", "0.2.0", cwd=shop.root)
    assert files_of(shop.root) == fresh(installed[SECOND], tmp_path)
    world.commit(shop.root)
    installed[THIRD].do("update", "billing", cwd=shop.root)
    shutil.rmtree(tmp_path / "fresh")
    assert files_of(shop.root) == fresh(installed[THIRD], tmp_path)


def test_a_current_service_is_left_alone_even_with_uncommitted_changes(installed: Releases, shop: Workspace) -> None:
    (shop.root / HANDLER).write_text("mine")
    before = files_of(shop.root)
    said = installed[FIRST].do("update", "--all", cwd=shop.root)
    assert said.splitlines()[0] == f"billing  current  {FIRST}"
    assert files_of(shop.root) == before


def test_a_persons_changes_are_merged(installed: Releases, shop: Workspace, tmp_path: Path) -> None:
    edits = [
        Edit(BILLING / "Dockerfile", "EXPOSE 8080", "EXPOSE 8080 9090"),
        Edit(BILLING / "src/config.py", "    LOG_FORMAT:", '    MINE: str = "mine"\n    LOG_FORMAT:'),
        Edit(Path("compose/billing.yml"), "    read_only: true\n", "    read_only: true\n    cpus: 2\n"),
    ]
    for edit in edits:
        edit.make(shop.root)
    (shop.root / BILLING / "src/own.py").write_text("own\n")
    (shop.root / "compose/infrastructure.yml").write_text("the workspace's own\n")
    world.commit(shop.root)

    installed[THIRD].do("update", "billing", cwd=shop.root)

    expected = tmp_path / "expected"
    for path, content in fresh(installed[THIRD], tmp_path).items():
        (expected / path).parent.mkdir(parents=True, exist_ok=True)
        (expected / path).write_bytes(content)
    for edit in edits:
        edit.make(expected)
    (expected / BILLING / "src/own.py").write_text("own\n")
    (expected / "compose/infrastructure.yml").write_text("the workspace's own\n")
    assert files_of(shop.root) == files_of(expected)


def test_changes_in_a_renamed_file_move_along(installed: Releases, shop: Workspace) -> None:
    folder = BILLING / "src/infrastructure"
    Edit(folder / "link_health.py", '"""', '"""Mine: ').make(shop.root)
    mine = (shop.root / folder / "link_health.py").read_bytes()
    world.commit(shop.root)
    said = installed[THIRD].do("update", "billing", cwd=shop.root)
    assert not (shop.root / folder / "link_health.py").exists()
    assert (shop.root / folder / "link_watch.py").read_bytes() == mine
    assert "link_watch.py, with your changes" in said


def test_handlers_and_their_tests_are_never_touched(installed: Releases, shop: Workspace) -> None:
    installed[FIRST].do("add-handler", "billing", "orders.order.paid", cwd=shop.root)
    installed[FIRST].do("remove-handler", "billing", "order_created", cwd=shop.root)
    paid = BILLING / "src/domain/handlers/order_paid_handler.py"
    (shop.root / paid).write_text("mine\n")
    world.commit(shop.root)
    installed[THIRD].do("update", "billing", cwd=shop.root)
    assert (shop.root / paid).read_text() == "mine\n"
    assert not (shop.root / HANDLER).exists()


def test_a_file_that_the_person_removed_stays_away_and_is_told(installed: Releases, shop: Workspace) -> None:
    (shop.root / BILLING / "Dockerfile").unlink()
    world.commit(shop.root)
    said = installed[SECOND].do("update", "billing", cwd=shop.root)
    assert not (shop.root / BILLING / "Dockerfile").exists()
    assert "Dockerfile: changed by the template, removed here; not restored" in said


def test_uncommitted_changes_inside_are_refused_with_the_list(installed: Releases, shop: Workspace) -> None:
    (shop.root / BILLING / "Dockerfile").write_text("not committed")
    (shop.root / BILLING / "new.py").write_text("not committed")
    (shop.root / "compose/billing.yml").unlink()
    before = files_of(shop.root)
    done = installed[THIRD].run("update", "billing", "--json", cwd=shop.root)
    (service,) = json.loads(done.stdout)["services"]
    assert (done.returncode, service["status"]) == (1, "failed")
    assert service["uncommitted"] == ["compose/billing.yml", str(BILLING / "Dockerfile"), str(BILLING / "new.py")]
    assert files_of(shop.root) == before


def test_what_is_uncommitted_elsewhere_stays_exactly_as_it_is(installed: Releases, shop: Workspace) -> None:
    (shop.root / "README.md").write_text("committed\n")
    (shop.root / "staged.txt").write_text("one\n")
    world.commit(shop.root)
    (shop.root / "README.md").write_text("changed\n")
    (shop.root / "untracked.rej").write_text("left over\n")
    (shop.root / "staged.txt").write_text("two\n")
    world.git(shop.root, "add", "staged.txt")
    (shop.root / BILLING / ".env").write_text("SECRET=1\n")  # ignored
    index, refs = (shop.root / ".git/index").read_bytes(), world.git(shop.root, "for-each-ref")
    installed[THIRD].do("update", "billing", cwd=shop.root)
    assert (shop.root / "README.md").read_text() == "changed\n"
    assert (shop.root / "untracked.rej").read_text() == "left over\n"
    assert (shop.root / BILLING / ".env").read_text() == "SECRET=1\n"
    assert (shop.root / ".git/index").read_bytes() == index
    assert world.git(shop.root, "for-each-ref") == refs
    assert world.git(shop.root, "worktree", "list").count("\n") == 1


def test_a_dry_run_shows_the_diff_that_the_update_makes(installed: Releases, shop: Workspace, tmp_path: Path) -> None:
    before = files_of(shop.root)
    done = installed[THIRD].run("update", "--all", "--dry-run", cwd=shop.root)
    assert done.returncode == 0
    assert f"billing  would be updated  {FIRST} -> {THIRD}" in done.stderr
    assert " would be updated, 0 current, 0 conflicting, 0 failed" in done.stderr
    assert files_of(shop.root) == before
    other = tmp_path / "other"
    shutil.copytree(shop.root, other)
    (tmp_path / "diff").write_text(done.stdout)
    world.git(other, "apply", tmp_path / "diff")
    installed[THIRD].do("update", "--all", cwd=shop.root)
    assert files_of(other) == files_of(shop.root)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["billing", "--to", "9.9.9"],
            "unknown template version '9.9.9' (available: v0.1.0, v0.2.0, v0.3.0)",
        ),
        (["billin"], "did you mean 'billing'"),
        ([], "specify services or --all\n"),
        (["billing", "--all"], "specify services or --all, not both"),
        (["billing", "--conflicts", "rej"], "--conflicts: invalid value 'rej' (choose refuse or inline)"),
        (["--continue"], "no unfinished update"),
    ],
)
def test_wrong_input_is_told(installed: Releases, shop: Workspace, arguments: list[str], message: str) -> None:
    done = installed[THIRD].run("update", *arguments, cwd=shop.root)
    assert done.returncode == 2
    assert message in done.stderr


def test_an_older_version_is_refused(installed: Releases, shop: Workspace) -> None:
    installed[SECOND].do("update", "billing", cwd=shop.root)
    world.commit(shop.root)
    done = installed[SECOND].run("update", "billing", "--to", FIRST, cwd=shop.root)
    assert done.returncode == 1
    assert "downgrading to v0.1.0 is not supported: revert the commit of the update" in done.stdout + done.stderr


def test_without_a_repository_it_says_so(installed: Releases, shop: Workspace) -> None:
    shutil.rmtree(shop.root / ".git")
    done = installed[THIRD].run("update", "billing", cwd=shop.root)
    assert done.returncode == 1
    assert "not in a git repository" in done.stderr


def test_a_service_of_a_newer_natsgen_is_refused(installed: Releases, shop: Workspace) -> None:
    installed[THIRD].do("update", "billing", cwd=shop.root)
    world.commit(shop.root)
    done = installed[SECOND].run("update", "billing", cwd=shop.root)
    assert done.returncode == 1
    assert f"no version {THIRD}" in done.stdout
    assert "newer natsgen" in done.stdout


def test_the_organisation_answers_new_questions(installed: Releases, shop: Workspace) -> None:
    (shop.root / "natsgen.toml").write_text('[defaults]\nplatform = "ours"\n')
    installed[THIRD].do("update", "billing", "--to", "0.2.0", cwd=shop.root)
    assert "platform: ours" in (shop.root / BILLING / ".copier-answers.yml").read_text()
    assert 'LABEL platform="ours"' in (shop.root / BILLING / "Dockerfile").read_text()
