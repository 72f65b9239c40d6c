"""Both sides changed the same lines: nothing happens, or markers are written and a person decides."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from natsgen.files.workspace import Workspace
from tests.update import world
from tests.update.test_update import BILLING, files_of
from tests.update.world import FIRST, SECOND, THIRD, Edit, Installed

Releases = Mapping[str, Installed]
CONFIG = BILLING / "src/config.py"


@pytest.fixture
def torn(shop: Workspace) -> Workspace:
    """A person changed the setting that the second release changes too, and something else elsewhere."""
    Edit(CONFIG, "Field(30, ge=3", "Field(10, ge=3").make(shop.root)
    Edit(BILLING / "Dockerfile", "EXPOSE 8080", "EXPOSE 8080 9090").make(shop.root)
    world.commit(shop.root)
    return shop


def test_a_conflict_leaves_the_service_as_it_is(installed: Releases, torn: Workspace) -> None:
    before = files_of(torn.root)
    done = installed[SECOND].run("update", "billing", cwd=torn.root)
    assert done.returncode == 1
    assert f"billing  conflicting  {FIRST} -> {SECOND}" in done.stdout
    assert f"{CONFIG}: changed here and in {SECOND}, in 1 place" in done.stdout
    assert files_of(torn.root) == before
    assert world.git(torn.root, "status", "--porcelain") == ""


def test_inline_writes_markers_and_the_rest_of_the_update(installed: Releases, torn: Workspace) -> None:
    done = installed[SECOND].run("update", "billing", "--conflicts", "inline", cwd=torn.root)
    assert done.returncode == 1
    text = (torn.root / CONFIG).read_text()
    assert text.count("<<<<<<< yours\n") == text.count(f">>>>>>> {SECOND}\n") == 1
    assert "Field(10, ge=3" in text
    assert "Field(45, ge=3" in text
    assert "EXPOSE 8080 9090" in (torn.root / BILLING / "Dockerfile").read_text()
    assert (torn.root / BILLING / "src/utils/clock.py").exists()
    assert f"_commit: {SECOND}" in (torn.root / BILLING / ".copier-answers.yml").read_text()
    assert ".natsgen" not in world.git(torn.root, "status", "--porcelain", "--untracked-files=all")


def test_continue_waits_until_the_markers_are_gone(installed: Releases, torn: Workspace) -> None:
    natsgen = installed[THIRD]
    natsgen.run("update", "billing", "--to", SECOND, "--conflicts", "inline", cwd=torn.root)
    done = natsgen.run("update", "--continue", cwd=torn.root)
    assert done.returncode == 1
    assert f"unresolved conflict markers in {CONFIG}" in done.stderr
    again = natsgen.run("update", "billing", cwd=torn.root)
    assert "its update to v0.2.0 is unfinished" in again.stdout
    assert natsgen.run("check", "billing", cwd=torn.root).returncode == 1

    text = (torn.root / CONFIG).read_text()
    head, rest = text.split("<<<<<<< yours\n")
    mine, rest = rest.split("=======\n")
    (torn.root / CONFIG).write_text(head + mine + rest.split(f">>>>>>> {SECOND}\n")[1])
    assert "finished" in natsgen.do("update", "--continue", "billing", cwd=torn.root)
    assert not (torn.root / ".natsgen").exists()
    world.commit(torn.root)
    natsgen.do("update", "billing", cwd=torn.root)  # the next version merges over the decision
    assert "Field(10, ge=3" in (torn.root / CONFIG).read_text()


def test_abort_puts_everything_back(installed: Releases, torn: Workspace) -> None:
    before = files_of(torn.root)
    installed[THIRD].run("update", "billing", "--conflicts", "inline", cwd=torn.root)
    assert files_of(torn.root) != before
    installed[THIRD].do("update", "--abort", "billing", cwd=torn.root)
    assert files_of(torn.root) == before
    assert world.git(torn.root, "status", "--porcelain") == ""
    assert not (torn.root / ".natsgen").exists()


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--abort", "--continue"])
def test_a_dry_run_ends_nothing(installed: Releases, torn: Workspace, option: str) -> None:
    natsgen = installed[THIRD]
    natsgen.run("update", "billing", "--conflicts", "inline", cwd=torn.root)
    if option == "--continue":
        for conflict in torn.root.rglob("*.py"):
            if "<<<<<<< yours\n" in (text := conflict.read_text()):
                conflict.write_text(text.replace("<<<<<<< yours\n", ""))
    before = files_of(torn.root)
    said = natsgen.do("update", option, "--dry-run", cwd=torn.root)
    assert f"billing  would be {'put back' if option == '--abort' else 'finished'}" in said
    assert files_of(torn.root) == before
    natsgen.do("update", option, "billing", cwd=torn.root)  # it is remembered still
    done = natsgen.run("update", option, "--to", SECOND, cwd=torn.root)
    assert (done.returncode, "--to and --conflicts cannot be combined" in done.stderr) == (2, True)


def test_what_git_took_back_is_no_longer_unfinished(installed: Releases, torn: Workspace) -> None:
    installed[SECOND].run("update", "billing", "--conflicts", "inline", cwd=torn.root)
    world.git(torn.root, "checkout", "--quiet", "--", ".")
    world.git(torn.root, "clean", "--quiet", "--force", "-d", "services")
    done = installed[SECOND].run("update", "--continue", "billing", cwd=torn.root)
    assert "has no unfinished update" in done.stderr
    assert not (torn.root / ".natsgen").exists()


def test_a_changed_file_that_the_template_no_longer_has_is_a_conflict(installed: Releases, shop: Workspace) -> None:
    installed[SECOND].do("update", "billing", cwd=shop.root)
    notes = shop.root / BILLING / "notes.md"
    notes.write_text("mine\n")
    world.commit(shop.root)
    done = installed[THIRD].run("update", "billing", "--json", cwd=shop.root)
    (service,) = json.loads(done.stdout)["services"]
    assert [one["path"] for one in service["conflicts"]] == [str(BILLING / "notes.md")]
    assert notes.read_text() == "mine\n"
    installed[THIRD].run("update", "billing", "--conflicts", "inline", cwd=shop.root)
    installed[THIRD].do("update", "--continue", cwd=shop.root)
    assert notes.read_text() == "mine\n"


def test_a_file_of_the_same_name_is_a_conflict(installed: Releases, shop: Workspace) -> None:
    clock = shop.root / BILLING / "src/utils/clock.py"
    clock.write_text("mine\n")
    world.commit(shop.root)
    assert installed[THIRD].run("update", "billing", cwd=shop.root).returncode == 1
    assert clock.read_text() == "mine\n"


@pytest.mark.slow
def test_the_others_go_on(installed: Releases, torn: Workspace) -> None:
    for name in ("a", "z"):
        installed[FIRST].do("new", "worker", name, "--subject", "a.b", cwd=torn.root)
    world.commit(torn.root)
    done = installed[SECOND].run("update", "--all", "--json", cwd=torn.root)
    assert done.returncode == 1
    found = {one["name"]: one["status"] for one in json.loads(done.stdout)["services"]}
    assert found == {"a": "updated", "billing": "conflicting", "z": "updated"}
    assert f"_commit: {SECOND}" in (torn.root / "services/a/.copier-answers.yml").read_text()
