"""`natsgen answers`: a changed answer comes into a service as an update does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from natsgen.files.workspace import Workspace
from tests.update import world
from tests.update.test_update import BILLING, HANDLER, files_of
from tests.update.world import FIRST, THIRD, Edit, Installed

Releases = Mapping[str, Installed]


def test_the_answers_are_shown(installed: Releases, shop: Workspace) -> None:
    said = json.loads(installed[FIRST].do("answers", "billing", "--json", cwd=shop.root))
    assert (said["service"], said["version"], said["answers"]["dedup"]) == ("billing", FIRST, "none")
    assert ["dedup", "none"] in map(str.split, installed[FIRST].do("answers", "billing", cwd=shop.root).splitlines())


def test_a_changed_answer_makes_what_it_would_have_made(installed: Releases, shop: Workspace, tmp_path: Path) -> None:
    edit = Edit(BILLING / "Dockerfile", "EXPOSE 8080", "EXPOSE 8080 9090")
    edit.make(shop.root)
    (shop.root / HANDLER).write_text("mine\n")
    world.commit(shop.root)

    installed[FIRST].do("answers", "billing", "set", "dedup=redis", "python_version=3.14", cwd=shop.root)

    place = tmp_path / "fresh/shop"
    place.mkdir(parents=True)
    options = ("--dedup", "redis", "--python", "3.14")
    installed[FIRST].do("new", "worker", "billing", "--subject", "orders.order.created", *options, cwd=place)
    edit.make(place)
    (place / HANDLER).write_text("mine\n")
    assert files_of(shop.root) == files_of(place)
    world.commit(shop.root)
    installed[FIRST].do("answers", "billing", "set", "dedup=none", cwd=shop.root)
    assert (shop.root / "compose/redis.yml").exists()  # it is the workspace's own


def test_the_answer_that_it_has_changes_nothing(installed: Releases, shop: Workspace) -> None:
    said = installed[FIRST].do("answers", "billing", "set", "dedup=none", cwd=shop.root)
    assert said.splitlines()[0].split() == ["billing", "current", FIRST]
    assert world.git(shop.root, "status", "--porcelain") == ""


def test_a_conflict_names_the_new_answers(installed: Releases, shop: Workspace) -> None:
    Edit(BILLING / "Dockerfile", "FROM python:3.13-slim AS build", "FROM mine AS build").make(shop.root)
    world.commit(shop.root)
    done = installed[FIRST].run("answers", "billing", "set", "python_version=3.14", cwd=shop.root)
    assert done.returncode == 1
    assert "Dockerfile: changed here and in the new answers, in 1 place" in done.stdout


def test_the_version_stays(installed: Releases, shop: Workspace) -> None:
    installed[THIRD].do("answers", "billing", "set", "dedup=nats-kv", cwd=shop.root)
    assert f"_commit: {FIRST}" in (shop.root / BILLING / ".copier-answers.yml").read_text()
    assert not (shop.root / BILLING / "src/utils/clock.py").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["set", "dedup=postgres"], "invalid value 'postgres' (choose none, nats-kv, redis)"),
        (["set", "dedupe=redis"], "unknown question 'dedupe'; did you mean 'dedup'?"),
        (["set", "service_name=other"], "a service cannot be renamed"),
        (["set", "handlers={a: b.c}"], "use natsgen add-handler and remove-handler"),
        (["set"], "usage: natsgen answers billing set KEY=VALUE"),
        (["put", "dedup=redis"], "usage: natsgen answers billing set KEY=VALUE"),
    ],
)
def test_wrong_input_is_told(installed: Releases, shop: Workspace, words: list[str], message: str) -> None:
    done = installed[FIRST].run("answers", "billing", *words, cwd=shop.root)
    assert done.returncode == 2
    assert message in done.stderr


def test_uncommitted_changes_are_refused(installed: Releases, shop: Workspace) -> None:
    shutil.copy(shop.root / BILLING / "Dockerfile", shop.root / BILLING / "Dockerfile.mine")
    done = installed[FIRST].run("answers", "billing", "set", "dedup=redis", cwd=shop.root)
    assert done.returncode == 1
    assert "Dockerfile.mine" in done.stdout


def test_answers_that_do_not_go_together_are_refused(installed: Releases, workspace: Workspace) -> None:
    subjects = ["--subject", "events.>", "--subject", "events.test"]
    installed[FIRST].do("new", "subscriber", "ear", *subjects, cwd=workspace.root)
    world.commit(workspace.root)
    done = installed[FIRST].run("answers", "ear", "set", "queue_group=workers", cwd=workspace.root)
    assert done.returncode == 2
    assert "queue_group" in done.stderr
    installed[FIRST].do("show", "ear", cwd=workspace.root)


def test_files_that_are_written_once_and_would_be_different_are_named(installed: Releases, shop: Workspace) -> None:
    said = installed[FIRST].do("answers", "billing", "set", "network=shared", cwd=shop.root)
    assert "compose/infrastructure.yml: not changed, because natsgen writes it only once" in said
