"""What a merge of branches does to the packages of a service is found by `check` and mended by `repair`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from natsgen.cli import main
from natsgen.files import tree
from natsgen.parts import facts, packages
from tests.update import world
from tests.update.world import REPOSITORY

BILLING = Path("services/billing")
NATS = BILLING / "src/requests/nats.py"
SERVICE = Path("template/services/{{ service_name }}")
OLD, NEW = "v1.0.0", "v2.0.0"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """natsgen's template in two versions, of which the second changes, adds and drops a file of a package."""
    root = tmp_path_factory.mktemp("template") / "repository"
    for part in ("copier.yml", "template", "includes"):
        source = REPOSITORY / part
        litter = shutil.ignore_patterns("__pycache__", "*.pyc", ".*_cache", ".venv")
        root.mkdir(exist_ok=True)
        shutil.copytree(source, root / part, ignore=litter) if source.is_dir() else shutil.copy(source, root / part)
    requests = root / SERVICE / "src/requests"
    (requests / "dropped.py").write_text('"""Only in the first version."""\n')
    world.commit(root, "first")
    world.git(root, "tag", OLD)
    (requests / "dropped.py").unlink()
    (requests / "come.py").write_text('"""Only in the second version."""\n')
    for file in (requests / "nats.py", root / SERVICE / "src/utils/logging.py"):
        file.write_text(f"{file.read_text()}\n# of the second version\n")
    world.commit(root, "second")
    world.git(root, "tag", NEW)
    return root


@pytest.fixture(scope="module")
def made(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a worker of the first version that has an action, committed."""
    folder = tmp_path_factory.mktemp("made") / "shop"
    folder.mkdir()
    words = ("--subject", "a.b", "--action", "greet", "--template", f"{template}@{OLD}", "--no-input")
    assert main(["new", "worker", "billing", *words, "--workspace", str(folder)]) == 0
    world.commit(folder, "made")
    return folder


@pytest.fixture
def shop(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it for one test, which is the current folder."""
    shutil.copytree(made, tmp_path / "shop", symlinks=True)
    monkeypatch.chdir(tmp_path / "shop")
    for key, value in world.GIT.items():
        monkeypatch.setenv(key, value)
    return tmp_path / "shop"


def do(*words: str) -> None:
    assert main(list(words)) == 0


def on_branch(shop: Path, name: str, *commands: tuple[str, ...]) -> None:
    """Does something on a branch of its own, commits it, and comes back."""
    world.git(shop, "checkout", "--quiet", "-b", name, "main")
    for command in commands:
        do(*command)
    world.commit(shop, name)
    world.git(shop, "checkout", "--quiet", "main")


def merge(shop: Path, *branches: str) -> None:
    """Merges branches one after the other; git sees no conflict."""
    for branch in branches:
        world.git(shop, "merge", "--quiet", "--no-edit", branch)


def checked(capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """The exit code of `natsgen check`, and what it says that repair mends."""
    capsys.readouterr()
    code = main(["check", "billing", "--json"])
    return code, json.loads(capsys.readouterr().out)["services"][0]["repairable"]


def test_deployment_files_follow_an_edited_handler_with_the_services_own_version(shop: Path) -> None:
    do("add-deploy", "billing", "kubernetes")
    handler = shop / BILLING / "src/domain/handlers/a_b_handler.py"
    handler.write_text(handler.read_text().replace('"a.b"', '"a.b", concurrency=4'))

    do("repair", "billing")

    assert json.loads((shop / BILLING / facts.RECORD).read_text())["consumers"][0]["concurrency"] == 4


@pytest.mark.parametrize("branches", [("remove", "add"), pytest.param(("add", "remove"), marks=pytest.mark.slow)])
def test_a_package_that_a_merge_took_away_is_told_and_comes_back(
    shop: Path, capsys: pytest.CaptureFixture[str], branches: tuple[str, str]
) -> None:
    on_branch(shop, "remove", ("remove-action", "billing", "greet"))
    on_branch(shop, "add", ("add-action", "billing", "leave"))
    wanted = tree.read(shop)
    world.git(shop, "checkout", "--quiet", "add")
    wanted = {
        path: file for path, file in tree.read(shop).items() if ".git" not in path.parts and "greet" not in path.name
    }
    world.git(shop, "checkout", "--quiet", "main")
    merge(shop, *branches)
    assert (shop / BILLING / "src/domain/actions/leave_action.py").exists()
    assert not (shop / BILLING / "src/actions").exists()

    code, said = checked(capsys)
    assert code == 1
    assert "the package actions is missing, and its actions need it: natsgen repair billing adds it" in said
    assert "the package requests is missing, and its actions need it: natsgen repair billing adds it" in said
    assert main(["check", "billing"]) == 1
    assert "natsgen repair billing adds it" in capsys.readouterr().out

    before = tree.read(shop)
    do("repair", "billing", "--dry-run")
    assert tree.read(shop) == before
    do("repair", "billing")

    assert {path: file for path, file in tree.read(shop).items() if ".git" not in path.parts} == wanted
    _, said = checked(capsys)
    assert said == []


@pytest.mark.slow
@pytest.mark.parametrize("branches", [("update", "add"), ("add", "update")])
def test_a_package_of_an_older_version_is_told_and_updated(
    shop: Path, capsys: pytest.CaptureFixture[str], branches: tuple[str, str]
) -> None:
    do("remove-action", "billing", "greet")
    world.commit(shop, "no action")
    on_branch(shop, "update", ("update", "billing"))
    on_branch(shop, "add", ("add-action", "billing", "leave"))
    merge(shop, *branches)
    assert (shop / BILLING / "src/utils/logging.py").read_text().endswith("# of the second version\n")
    assert not (shop / NATS).read_text().endswith("# of the second version\n")

    code, said = checked(capsys)
    assert code == 1
    assert said == [
        f"the package requests has files of {OLD}, but billing is at {NEW}: natsgen repair billing updates it"
    ]
    do("repair", "billing", "--json")
    document = json.loads(capsys.readouterr().out)
    assert (document["added"], document["updated"]) == ([], ["requests"])
    assert document["created"] == [str(BILLING / "src/requests/come.py")]
    assert document["changed"] == [str(NATS)]
    assert document["removed"] == [str(BILLING / "src/requests/dropped.py")]

    assert checked(capsys) == (0, [])
    do("repair", "billing")
    assert "The packages of billing need no repair" in capsys.readouterr().out


@pytest.mark.slow
def test_an_edited_file_of_an_older_version_is_left_alone_with_a_note(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    do("remove-action", "billing", "greet")
    world.commit(shop, "no action")
    on_branch(shop, "update", ("update", "billing"))
    on_branch(shop, "add", ("add-action", "billing", "leave"))
    merge(shop, "update", "add")
    mine = f"# mine\n{(shop / NATS).read_text()}"
    (shop / NATS).write_text(mine)

    do("repair", "billing")

    assert f"note: {NATS} was edited, so it was not changed; see natsgen diff billing" in capsys.readouterr().err
    assert (shop / NATS).read_text() == mine
    assert (shop / BILLING / "src/requests/come.py").exists()
    assert checked(capsys) == (1, [])


def test_an_update_keeps_to_the_packages_that_are_there(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    do("remove-action", "billing", "greet")
    do("add-extra", "billing", "decoders")
    world.commit(shop, "other packages than the answers' parts need")
    before = packages.found(shop / BILLING)
    assert "actions" not in before
    do("update", "billing")
    assert packages.found(shop / BILLING) == before
    assert checked(capsys) == (0, [])


def test_an_update_brings_a_missing_package(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(shop / BILLING / "src/requests")
    world.commit(shop, "as after a merge")
    do("update", "billing")
    assert (shop / BILLING / "src/requests/come.py").exists()
    assert checked(capsys) == (0, [])


def test_a_changed_answer_brings_its_package_and_takes_it_away(shop: Path) -> None:
    before = {path: file for path, file in tree.read(shop).items() if ".git" not in path.parts}
    do("answers", "billing", "set", "envelope=message", "extras=[kv]")
    assert packages.found(shop / BILLING) >= {"messages", "kv", "toolkit"}
    world.commit(shop, "with it")
    do("answers", "billing", "set", "envelope=domain", "extras=[]")
    assert {path: file for path, file in tree.read(shop).items() if ".git" not in path.parts} == before


def test_a_changed_answer_leaves_what_a_persons_file_imports(shop: Path) -> None:
    do("answers", "billing", "set", "envelope=message")
    handler = shop / BILLING / "src/domain/handlers/a_b_handler.py"
    handler.write_text(f"from src.domain.messages import EnvelopeMessage\n{handler.read_text()}")
    world.commit(shop, "with it")
    do("answers", "billing", "set", "envelope=domain")
    assert "messages" in packages.found(shop / BILLING)


@pytest.mark.slow
def test_a_service_from_before_packages_keeps_what_it_needs_or_imports(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first version with packages takes away what nobody uses."""
    root = tmp_path / "older"
    shutil.copytree(template, root)
    world.git(root, "tag", "--delete", OLD, NEW)
    questions = root / "copier.yml"
    whole = questions.read_text()
    asked = whole.split("\n# Never asked or stored")[0]
    assert asked != whole
    questions.write_text("\n".join(line for line in asked.splitlines() if " packages " not in line) + "\n")
    world.commit(root, "without packages")
    world.git(root, "tag", OLD)
    questions.write_text(whole)
    world.commit(root, "with packages")
    world.git(root, "tag", NEW)
    monkeypatch.chdir(tmp_path)
    for key, value in world.GIT.items():
        monkeypatch.setenv(key, value)
    do(
        "new",
        "worker",
        "billing",
        "--subject",
        "a.b",
        "--template",
        f"{root}@{OLD}",
        "--no-input",
        "--workspace",
        "shop",
    )
    shop = tmp_path / "shop"
    monkeypatch.chdir(shop)
    handler = shop / BILLING / "src/domain/handlers/a_b_handler.py"
    handler.write_text(f"from src.requests.nats import nats\n{handler.read_text()}")
    world.commit(shop, "made")
    assert packages.found(shop / BILLING) >= {"actions", "tasks", "kv"}
    assert checked(capsys)[1] == []

    do("update", "billing")

    assert packages.found(shop / BILLING) == {"handlers", "requests"}
    assert checked(capsys) == (0, [])
