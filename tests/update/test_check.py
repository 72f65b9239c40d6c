"""`check` and `diff`: what differs from the template is found by rendering again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from natsgen.files.workspace import Workspace
from tests.update import world
from tests.update.test_update import BILLING, HANDLER, files_of
from tests.update.world import FIRST, SECOND, THIRD, Edit, Installed

Releases = Mapping[str, Installed]


def check(natsgen: Installed, folder: Path) -> tuple[int, Any]:
    done = natsgen.run("check", "--all", "--json", cwd=folder)
    (service,) = json.loads(done.stdout)["services"]
    return done.returncode, service


def test_a_service_as_made_is_clean(installed: Releases, shop: Workspace) -> None:
    (shop.root / HANDLER).write_text("mine")
    (shop.root / BILLING / "src/own.py").write_text("mine")
    code, service = check(installed[FIRST], shop.root)
    assert (code, service["is_clean"], service["files"]) == (0, True, [])
    assert "up to date" in installed[FIRST].do("check", "billing", cwd=shop.root)


def test_a_newer_version_is_told(installed: Releases, shop: Workspace) -> None:
    code, service = check(installed[THIRD], shop.root)
    assert (code, service["is_behind"], service["newest"], service["files"]) == (1, True, THIRD, [])


def test_changed_and_missing_files_are_told(installed: Releases, shop: Workspace) -> None:
    Edit(BILLING / "Dockerfile", "EXPOSE 8080", "EXPOSE 9090").make(shop.root)
    (shop.root / BILLING / "src/main.py").unlink()
    code, service = check(installed[FIRST], shop.root)
    assert code == 1
    assert [(one["path"], one["how"]) for one in service["files"]] == [
        (str(BILLING / "Dockerfile"), "changed"),
        (str(BILLING / "src/main.py"), "missing"),
    ]


def test_what_undoes_every_change_is_told_and_works(installed: Releases, shop: Workspace) -> None:
    Edit(BILLING / "Dockerfile", "EXPOSE 8080", "EXPOSE 9090").make(shop.root)
    (shop.root / BILLING / "src/main.py").unlink()
    told = installed[FIRST].run("check", "billing", cwd=shop.root).stdout
    assert "1 file modified, 1 file missing" in told
    assert "natsgen diff billing | git apply --reverse" in told

    changes = installed[FIRST].do("diff", "billing", cwd=shop.root)
    subprocess.run(["git", "apply", "--reverse"], input=changes, text=True, cwd=shop.root, check=True)

    assert check(installed[FIRST], shop.root)[0] == 0


def test_a_renamed_folder_is_told_as_that(installed: Releases, shop: Workspace) -> None:
    (shop.root / BILLING).rename(shop.root / "services" / "invoicing")
    code, service = check(installed[FIRST], shop.root)
    assert (code, service["files"]) == (1, [])
    assert "contains the answers of 'billing', not of 'invoicing'" in service["error"]


def test_a_change_that_never_arrived_is_told(installed: Releases, shop: Workspace) -> None:
    old = (shop.root / BILLING / "src/config.py").read_bytes()
    installed[SECOND].do("update", "billing", cwd=shop.root)
    (shop.root / BILLING / "src/config.py").write_bytes(old)
    Edit(BILLING / "Dockerfile", "EXPOSE 8080", "EXPOSE 8080 9090").make(shop.root)
    world.commit(shop.root)
    _, service = check(installed[SECOND], shop.root)
    assert [(one["path"], one["how"], one["since"]) for one in service["files"]] == [
        (str(BILLING / "Dockerfile"), "changed", None),
        (str(BILLING / "src/config.py"), "lacking", FIRST),
    ]


@pytest.mark.slow
def test_the_diff_in_reverse_gives_the_templates_files_back(installed: Releases, shop: Workspace) -> None:
    before = files_of(shop.root)
    Edit(BILLING / "Dockerfile", "EXPOSE 8080", "EXPOSE 9090").make(shop.root)
    (shop.root / BILLING / "src/main.py").unlink()
    said = installed[FIRST].do("diff", "billing", cwd=shop.root)
    (shop.root / "diff").write_text(said)
    world.git(shop.root, "apply", "--reverse", "diff")
    (shop.root / "diff").unlink()
    assert files_of(shop.root) == before
    assert installed[FIRST].do("diff", "billing", cwd=shop.root) == ""
