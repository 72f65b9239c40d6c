"""A checkout with Windows' line ends, as `core.autocrlf` makes it: nothing was changed there, and updates merge."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from natsgen.files import line_ends
from natsgen.files.workspace import Workspace
from tests.update import world
from tests.update.test_update import BILLING
from tests.update.world import FIRST, SECOND, Edit, Installed

Releases = Mapping[str, Installed]


@pytest.fixture(params=["autocrlf", "attributes"])
def checkout(request: pytest.FixtureRequest, shop: Workspace) -> Path:
    """The workspace as git checks it out for Windows, or wherever `.gitattributes` says so."""
    if request.param == "attributes":
        (shop.root / ".gitattributes").write_text("* text eol=crlf\n")
        world.commit(shop.root)
    for folder in ("services", "compose"):
        shutil.rmtree(shop.root / folder)
    (shop.root / BILLING).mkdir(parents=True)
    world.git(shop.root, "config", "core.autocrlf", "true" if request.param == "autocrlf" else "input")
    world.git(shop.root, "checkout", "--quiet", "--", ".")
    assert b"\r\n" in (shop.root / BILLING / "src/main.py").read_bytes()
    assert world.git(shop.root, "status", "--porcelain") == ""
    return shop.root


def test_nothing_was_changed(installed: Releases, checkout: Path) -> None:
    installed[FIRST].do("check", "billing", cwd=checkout)
    assert "none" in installed[FIRST].do("show", "billing", cwd=checkout).split("Files that differ from")[1]
    assert installed[FIRST].do("diff", "billing", cwd=checkout) == ""


def test_an_update_merges_and_keeps_the_line_ends(installed: Releases, checkout: Path) -> None:
    config = checkout / BILLING / "src/config.py"
    config.write_bytes(config.read_bytes() + b"# mine\r\n")
    world.commit(checkout)
    installed[SECOND].do("update", "billing", cwd=checkout)
    assert b"Field(45, ge=3" in config.read_bytes()
    assert config.read_bytes().endswith(b"# mine\r\n")
    for file in (config, checkout / BILLING / "Dockerfile", checkout / BILLING / ".copier-answers.yml"):
        assert line_ends.are_windows(file.read_bytes()), file
    changed = {line[3:] for line in world.git(checkout, "status", "--porcelain").splitlines()}
    assert f"{BILLING}/src/main.py" not in changed


def test_a_handler_that_nobody_edited_is_removed(installed: Releases, checkout: Path) -> None:
    installed[FIRST].do("add-handler", "billing", "orders.order.paid", cwd=checkout)
    installed[FIRST].do("remove-handler", "billing", "order_created", cwd=checkout)
    assert not (checkout / BILLING / "src/domain/handlers/order_created_handler.py").exists()


def test_what_a_person_changed_is_still_seen(installed: Releases, checkout: Path) -> None:
    Edit(BILLING / "src/main.py", "import ", "import  ").make(checkout)
    done = installed[FIRST].run("check", "billing", cwd=checkout)
    assert (done.returncode, "src/main.py: changed" in done.stdout) == (1, True)
