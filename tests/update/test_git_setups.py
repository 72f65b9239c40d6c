"""git as people have it: sparse checkouts, worktrees, hooks, signatures, and files that are not UTF-8."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from natsgen.files.workspace import Workspace
from tests.update import world
from tests.update.test_update import BILLING
from tests.update.world import FIRST, SECOND, Installed

Releases = Mapping[str, Installed]

EXPLICIT = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.bareRepository", "GIT_CONFIG_VALUE_0": "explicit"}
ADD = ("add-handler", "billing", "orders.order.paid")


def as_people_have_it(root: Path, ran: Path) -> Path:
    """Everything that runs programs of a person's own, each of which fails and says that it ran."""
    hooks = root.parent / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "post-checkout", "post-index-change", "reference-transaction", "gpg", "fsmonitor"):
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >> {ran}\nexit 1\n")
        (hooks / name).chmod(0o755)
    for name, value in {
        "commit.gpgSign": "true",
        "core.fsmonitor": str(hooks / "fsmonitor"),
        "core.hooksPath": str(hooks),
        "core.quotePath": "false",
        "gpg.program": str(hooks / "gpg"),
        "status.showUntrackedFiles": "no",
    }.items():
        world.git(root, "config", name, value)
    return root


def in_a_worktree(root: Path, ran: Path) -> Path:
    world.git(root, "worktree", "add", "--quiet", root.parent / "second")
    return root.parent / "second"


def in_a_folder_of_the_repository(root: Path, ran: Path) -> Path:
    """The workspace is not the repository's root, and its path is not ASCII."""
    around = root.parent / "around"
    around.mkdir()
    root.rename(around / "é b")
    (around / "é b/.git").rename(around / ".git")
    world.commit(around)
    return around / "é b"


@pytest.mark.parametrize("setup", [as_people_have_it, in_a_worktree, in_a_folder_of_the_repository])
def test_commands_work_and_run_nothing_of_it(
    installed: Releases, shop: Workspace, tmp_path: Path, setup: Callable[[Path, Path], Path]
) -> None:
    ran = tmp_path / "ran"
    root = setup(shop.root, ran)
    first, second = (replace(installed[version], variables=EXPLICIT) for version in (FIRST, SECOND))

    first.do("check", "billing", cwd=root)
    first.do("new", "worker", "shipping", "--subject", "orders.order.paid", cwd=root)
    first.do("remove-handler", "billing", "order_created", cwd=root)
    refused = second.run("update", "billing", cwd=root)
    first.do(*ADD, cwd=root)

    assert (refused.returncode, "uncommitted changes" in refused.stdout) == (1, True)
    assert not ran.exists()
    world.git(root, "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "add", "--all", ".")
    world.git(
        root, *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"), "commit", "-qm", "x", "--no-gpg-sign"
    )
    second.do("update", "--all", cwd=root)
    assert "Field(45, ge=3" in (root / BILLING / "src/config.py").read_text()
    assert not ran.exists()


SPARSE = [
    ("check", "billing"),
    ("diff", "billing"),
    ("repair", "billing"),
    ("update", "billing"),
    ("new", "worker", "shipping", "--subject", "a.b.c"),
    ("new", "worker", "new", "--subject", "a.b.c"),
    ("new", "worker", "new", "--subject", "a.b.c", "--dry-run"),
]


@pytest.fixture
def sparse(installed: Releases, shop: Workspace) -> Path:
    """A checkout of one service out of two, without the compose files."""
    installed[FIRST].do("new", "worker", "shipping", "--subject", "orders.order.paid", cwd=shop.root)
    world.commit(shop.root)
    world.git(shop.root, "sparse-checkout", "set", "services/billing")
    assert not (shop.root / "compose").exists()
    return shop.root


def test_what_a_sparse_checkout_leaves_out_is_told_and_not_made_anew(installed: Releases, sparse: Path) -> None:
    for command in SPARSE:
        done = installed[SECOND].run(*command, cwd=sparse)

        said = done.stdout + done.stderr
        assert (done.returncode, "is not checked out, because the checkout is sparse" in said) == (1, True), said
        assert world.git(sparse, "status", "--porcelain") == "", command


def test_what_needs_nothing_of_that_works_in_a_sparse_checkout(installed: Releases, sparse: Path) -> None:
    installed[FIRST].do(*ADD, cwd=sparse)
    installed[FIRST].do("remove-handler", "billing", "order_paid", cwd=sparse)
    assert world.git(sparse, "status", "--porcelain") == ""
    world.git(sparse, "sparse-checkout", "add", "compose")
    installed[SECOND].do("update", "billing", cwd=sparse)


@pytest.mark.parametrize(
    "text", [b"# caf\xe9\n", b"# \x93quoted\x94\n", "# \N{GREEK SMALL LETTER ALPHA}\n".encode("utf-16")]
)
def test_bytes_that_are_not_utf_8_are_kept(installed: Releases, shop: Workspace, text: bytes) -> None:
    config, handler = BILLING / "src/config.py", BILLING / "src/domain/handlers/order_created_handler.py"
    for file in (config, handler):
        (shop.root / file).write_bytes((shop.root / file).read_bytes() + text)
    (shop.root / BILLING / "src/domain/table.txt").write_bytes(text)
    installed[FIRST].do(*ADD, cwd=shop.root)
    done = installed[FIRST].run("check", "billing", cwd=shop.root)
    assert (done.returncode, "src/config.py: changed" in done.stdout) == (1, True)
    world.commit(shop.root)

    installed[SECOND].do("update", "billing", cwd=shop.root)
    assert (shop.root / config).read_bytes().endswith(text)
    assert b"Field(45, ge=3" in (shop.root / config).read_bytes()
    assert (shop.root / handler).read_bytes().endswith(text)
