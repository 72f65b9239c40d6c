"""A clone from anybody: nothing that it brings along is carried out, and no code in it runs."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from natsgen.transaction import hashes
from tests.hostile import oracle
from tests.hostile.cases import HANDLER, SERVICE
from tests.hostile.places import WORKSPACE, Place

GIT = {
    **{f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    **{"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
}
COMMANDS = [
    ("list",),
    ("show", SERVICE),
    ("check", "--all"),
    ("add-handler", SERVICE, "orders.order.paid", "--dry-run"),
    ("answers", SERVICE, "set", "dedup=redis", "--dry-run"),
    ("update", SERVICE),
    ("update", "--abort", SERVICE),
    ("update", "--continue"),
    ("repair", SERVICE),
    ("add-handler", SERVICE, "orders.order.paid"),
    ("remove-handler", SERVICE, HANDLER),
]
"""One after the other in one workspace: those that may write come last."""


def git(folder: Path, *words: str | Path) -> str:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return subprocess.run(
        ["git", *words], cwd=folder, env={**kept, **GIT}, check=True, timeout=30, capture_output=True, text=True
    ).stdout


def clone(place: Place) -> Place:
    """The workspace as somebody's repository, and a place with a clone of it."""
    git(place.workspace, "init", "--quiet", "--initial-branch=main")
    git(place.workspace, "add", "--all", "--force")
    git(place.workspace, "commit", "--quiet", "--message", "x")
    around = place.around.parent / "victim"
    around.mkdir()
    git(around, "clone", "--quiet", place.workspace, WORKSPACE)
    return Place(around, around / WORKSPACE, place.outside)


def test_a_journal_in_a_clone_is_not_carried_out(with_service: Place) -> None:
    hook = b"#!/bin/sh\n"
    (with_service.workspace / "vendor").symlink_to(".git")
    staged = with_service.workspace / ".natsgen/staged"
    moves = []
    for path in ("vendor/hooks/pre-commit", "services/billing/src/evil.py", "compose/evil.yml"):
        (staged / path).parent.mkdir(parents=True, exist_ok=True)
        (staged / path).write_bytes(hook)
        moves.append({"path": path, "leaves": False, "digests": {".": hashes.digest_of(hook)}})
    (with_service.workspace / ".natsgen/journal.json").write_text(json.dumps({"title": "\x1b[1mx", "moves": moves}))
    victim = clone(with_service)

    for command in COMMANDS:
        ran = victim.run(*command)

        changed = {path.removeprefix(f"{WORKSPACE}/") for path in ran.changed}
        evil = {path for path in changed if path.startswith((".git/", ".natsgen", "vendor")) or "evil" in path}
        assert not evil, command
        assert "\x1b" not in ran.out + ran.err
        assert (victim.workspace / ".natsgen/journal.json").exists(), command


@pytest.mark.parametrize("option", ["--abort", "--continue"])
def test_an_unfinished_update_in_a_clone_is_not_taken_up(option: str, with_service: Place) -> None:
    service = with_service.workspace / "services" / SERVICE
    document = {
        **{"service": SERVICE, "before": "v1", "after": "v2", "conflicts": []},
        "files": {".git/hooks/pre-commit": {"content": base64.b64encode(b"x").decode(), "executable": True}},
        "answers": hashes.digest_of((service / ".copier-answers.yml").read_bytes()),
    }
    folder = with_service.workspace / ".natsgen/unfinished"
    folder.mkdir(parents=True)
    (folder / f"{SERVICE}.json").write_text(json.dumps(document))
    victim = clone(with_service)

    ran = victim.run("update", option, SERVICE)

    assert ran.code == 1
    assert f"{SERVICE} has no unfinished update" in ran.err
    assert not ran.changed


def test_a_bare_repository_in_a_clone_runs_nothing(with_service: Place) -> None:
    bare = with_service.workspace / "sub"
    git(with_service.workspace, "init", "--quiet", "--bare", bare)
    shutil.copytree(with_service.workspace / "services", bare / "services")
    of_it = (f"--git-dir={bare}", f"--work-tree={bare}")
    git(bare, *of_it, "add", "--force", "services")
    git(bare, *of_it, "commit", "--quiet", "--message", "x")
    ran_here = with_service.around.parent / "ran"
    (bare / "config").write_text(
        f'[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n\tfsmonitor = "touch {ran_here}"\n'
    )
    if not list((bare / "refs/tags").iterdir()):
        (bare / "refs/tags/.keep").touch()  # git keeps no empty folder
    victim = clone(with_service)
    inside = Place(victim.around, victim.workspace / "sub", victim.outside)

    for command in COMMANDS:
        inside.run(*command)

        assert not ran_here.exists(), command


def test_hooks_and_watchers_of_a_repository_do_not_run(with_service: Place) -> None:
    victim = clone(with_service)
    ran_here = with_service.around.parent / "ran"
    hooks = victim.workspace / ".git/other-hooks"
    hooks.mkdir()
    for name in ("post-checkout", "post-index-change", "reference-transaction", "fsmonitor-watchman"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {ran_here}\n")
        (hooks / name).chmod(0o755)
    git(victim.workspace, "config", "core.hooksPath", str(hooks))
    git(victim.workspace, "config", "core.fsmonitor", str(hooks / "fsmonitor-watchman"))

    for command in COMMANDS:
        victim.run(*command)

        assert not ran_here.exists(), command


def test_a_clone_works_as_before(with_service: Place) -> None:
    victim = clone(with_service)
    ran = victim.run("add-handler", SERVICE, "orders.order.paid")
    assert ran.code == 0, ran.err
    oracle.check_only_inside(ran, WORKSPACE)
    assert not (victim.workspace / ".git/natsgen").exists()
