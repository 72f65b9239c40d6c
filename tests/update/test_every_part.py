"""Parts of every kind in older services: never changed by an update, and made as the service's version makes them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from natsgen.files import tree
from natsgen.files.workspace import Workspace
from natsgen.parts.kinds import KINDS
from tests.update import world
from tests.update.test_update import files_of
from tests.update.world import FOURTH, MARK, THIRD, Installed

Releases = Mapping[str, Installed]
WEB = Path("services/web")
EVERYTHING = (
    *("new", "gateway", "web", "--framework", "fastapi", "--route", "GET /=v1.home.show", "--action", "greet"),
    *("--queue", "emails", "--data", "publishers={beat: events.test}"),
    *("--data", "subscribers={ear: events.test}", "--data", "handlers={all: {subject: a.b, batch: true}, one: a.c}"),
    *("--envelope", "cloudevents", "--image", "alpine", "--data", "publish_interval=0.5", "--no-input"),
)
ADDED = {
    "handler": ["orders.order.paid"],
    "action": ["leave"],
    "route": ["POST /leave=v1.web.leave"],
    "task": ["send_report", "--queue", "emails"],
    "publisher": ["events.second"],
    "subscriber": ["events.second"],
}


@pytest.fixture(scope="module")
def web_made(installed: Releases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a service of the third release that has a part of every kind, committed."""
    folder = tmp_path_factory.mktemp("web") / "shop"
    folder.mkdir()
    installed[THIRD].do(*EVERYTHING, cwd=folder)
    world.commit(folder)
    return folder


@pytest.fixture
def web(web_made: Path, tmp_path: Path) -> Workspace:
    """A copy of it for one test."""
    shutil.copytree(web_made, tmp_path / "shop", symlinks=True)
    return Workspace(tmp_path / "shop")


def parts_of(workspace: Workspace) -> dict[str, bytes]:
    folders = [str(WEB / folder) for kind in KINDS.values() for folder in (kind.folder, kind.tests)]
    return {
        path: content
        for path, content in files_of(workspace.root).items()
        if any(path.startswith(folder) for folder in folders) and not path.endswith("__init__.py")
    }


def test_no_part_of_any_kind_is_changed_by_an_update(installed: Releases, web: Workspace) -> None:
    before = parts_of(web)
    assert {str(Path(path).parent) for path in before} == {
        str(WEB / folder) for kind in KINDS.values() for folder in (kind.folder, kind.tests)
    }
    answers = json.loads(installed[THIRD].do("answers", "web", "--json", cwd=web.root))["answers"]

    installed[FOURTH].do("update", "web", cwd=web.root)

    assert parts_of(web) == before
    assert (web.root / WEB / "src/utils/logging.py").read_text().endswith(f"{MARK}\n")
    assert json.loads(installed[FOURTH].do("answers", "web", "--json", cwd=web.root))["answers"] == answers
    installed[FOURTH].do("check", "web", cwd=web.root)  # parts are no drift, whatever they say


@pytest.mark.parametrize("noun", ADDED)
def test_an_older_service_grows_with_the_files_of_its_version(installed: Releases, web: Workspace, noun: str) -> None:
    before = tree.read(web.root)

    installed[FOURTH].do(f"add-{noun}", "web", *ADDED[noun], cwd=web.root)

    added = {path: content for path, content in files_of(web.root).items() if path not in map(str, before)}
    assert len(added) == 2
    assert not any(MARK.encode() in content for content in added.values())
    name = next(Path(path).name for path in added if "/src/" in path)
    installed[FOURTH].do(f"remove-{noun}", "web", name, cwd=web.root)  # as made, so that it is not refused
    assert tree.read(web.root) == before


def test_show_compares_an_older_service_with_its_own_version(installed: Releases, web: Workspace) -> None:
    said = json.loads(installed[FOURTH].do("show", "web", "--json", cwd=web.root))
    assert (said["changed"], said["is_outdated"]) == ([], True)
    assert f"newer template version available: {FOURTH}" in installed[FOURTH].do("show", "web", cwd=web.root)


@pytest.mark.parametrize("words", [("add-action", "web", "leave"), ("remove-action", "web", "greet"), ("show", "web")])
def test_a_version_that_is_not_here_is_told(installed: Releases, web: Workspace, words: tuple[str, ...]) -> None:
    before = tree.read(web.root)
    answers = web.root / WEB / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(THIRD, "v9.0.0"))
    done = installed[FOURTH].run(*words, cwd=web.root)
    assert done.returncode == 1
    assert "has no version v9.0.0 here (available: v0.1.0, v0.2.0, v0.3.0, v0.4.0): a newer natsgen" in done.stderr
    answers.write_text(answers.read_text().replace("v9.0.0", THIRD))
    assert tree.read(web.root) == before


def test_the_current_version_needs_no_git_and_an_older_one_says_that_it_does(
    installed: Releases, web: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "nothing").mkdir()
    without_git = {"PATH": str(tmp_path / "nothing")}
    Installed(installed[THIRD].root, without_git).do("add-action", "web", "leave", cwd=web.root)
    done = Installed(installed[FOURTH].root, without_git).run("add-action", "web", "come", cwd=web.root)
    assert (done.returncode, "git is not installed" in done.stderr) == (1, True)
