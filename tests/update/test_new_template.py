"""`natsgen new --template`, and the template that natsgen.toml names: a team's own is used as natsgen's is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from natsgen.answers import answers_file
from natsgen.files import tree
from natsgen.files.workspace import Workspace
from tests.update import world
from tests.update.world import CHECKOUT, COMPOSE, SERVICE, Edit

BILLING = Path("services/billing")
WORKER = ("new", "worker", "billing", "--subject", "orders.order.created")
QUESTION = "\nteam: {type: str, help: Team, choices: [payments, logistics], default: logistics}\n"


@pytest.fixture(scope="module")
def fork_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fork of natsgen's template with two versions, of which the newer has one question more."""
    root = world.template_repository(tmp_path_factory.mktemp("teams") / "fork")
    world.git(root, "tag", "v1.0.0")
    questions = root / "copier.yml"
    questions.write_text(questions.read_text() + QUESTION)
    Edit(SERVICE / "Dockerfile.jinja", "WORKDIR /build", "LABEL team={{ team | to_json }}\nWORKDIR /build").make(root)
    Edit(COMPOSE, "stop_grace_period: 45s", "stop_grace_period: 60s").make(root)
    world.commit(root)
    world.git(root, "tag", "v1.1.0")
    Edit(COMPOSE, "stop_grace_period: 60s", "stop_grace_period: 75s").make(root)
    world.commit(root, "not released")
    return root


@pytest.fixture
def fork(fork_made: Path, tmp_path: Path) -> Path:
    """A copy of it beside the workspace, which is called empty."""
    return Path(shutil.copytree(fork_made, tmp_path / "fork"))


def memory(workspace: Workspace) -> tuple[str, str]:
    found = answers_file.read(workspace.root / BILLING)
    return found.source, found.commit


@pytest.mark.parametrize("kind", ["path", "relative path", "bundle", "URL", "natsgen.toml"])
def test_a_service_is_made_updated_and_checked(fork: Path, workspace: Workspace, kind: str) -> None:
    if kind == "bundle":
        world.git(fork, "bundle", "create", "--quiet", fork.parent / "fork.bundle", "HEAD", "--all")
    source = {"path": str(fork), "bundle": "../fork.bundle", "URL": f"file://{fork}"}.get(kind, "../fork")
    here = workspace.root / "compose"
    here.mkdir()
    said = ["--template", f"../{source}@1.0.0" if source.startswith("..") else f"{source}@1.0.0"]
    if kind == "natsgen.toml":
        (workspace.root / "natsgen.toml").write_text(f'template = "{source}@v1.0.0"\n')
        said = ["--trust-template"]

    CHECKOUT.do(*WORKER, *said, "--workspace", "..", cwd=here)

    assert memory(workspace) == (source, "v1.0.0")
    world.commit(workspace.root)
    CHECKOUT.do("update", "billing", cwd=workspace.root)
    assert memory(workspace) == (source, "v1.1.0")
    assert 'LABEL team="logistics"' in (workspace.root / BILLING / "Dockerfile").read_text()
    CHECKOUT.do("check", "billing", cwd=workspace.root)


@pytest.mark.slow
def test_a_service_of_an_older_version_grows_and_is_answered_anew(fork: Path, workspace: Workspace) -> None:
    CHECKOUT.do(*WORKER, "--template", "../fork@1.0.0", cwd=workspace.root)
    CHECKOUT.do("add-action", "billing", "pay", cwd=workspace.root)
    world.commit(workspace.root)
    assert "v1.1.0 available" in CHECKOUT.run("check", "billing", cwd=workspace.root).stdout
    done = CHECKOUT.run("answers", "billing", "set", "team=payments", cwd=workspace.root)
    assert (done.returncode, "unknown question 'team'" in done.stderr) == (2, True)
    CHECKOUT.do("update", "billing", cwd=workspace.root)
    world.commit(workspace.root)
    CHECKOUT.do("answers", "billing", "set", "team=payments", cwd=workspace.root)
    assert 'LABEL team="payments"' in (workspace.root / BILLING / "Dockerfile").read_text()


@pytest.mark.slow
def test_the_newest_version_is_taken_and_its_own_questions_are_answered(fork: Path, workspace: Workspace) -> None:
    (workspace.root / "natsgen.toml").write_text('template = "../fork"\n[defaults]\nteam = "payments"\n')
    CHECKOUT.do(*WORKER, "--trust-template", cwd=workspace.root)
    assert memory(workspace) == ("../fork", "v1.1.0")
    assert 'LABEL team="payments"' in (workspace.root / BILLING / "Dockerfile").read_text()
    assert "stop_grace_period: 60s" in (workspace.root / "compose/billing.yml").read_text()
    done = CHECKOUT.run("new", "worker", "other", "--subject", "a.b", "--data", "team=others", cwd=workspace.root)
    assert (done.returncode, "invalid value 'others' (choose payments, logistics)" in done.stderr) == (2, True)


@pytest.mark.slow
def test_another_template_takes_what_it_asks_of_the_organisations_answers(fork: Path, workspace: Workspace) -> None:
    (workspace.root / "natsgen.toml").write_text(
        'template = "../fork"\n[defaults]\nteam = "payments"\npython = "3.12"\n'
    )
    CHECKOUT.do(*WORKER, "--template", "../fork@1.0.0", cwd=workspace.root)
    assert memory(workspace) == ("../fork", "v1.0.0")
    assert "FROM python:3.12-slim" in (workspace.root / BILLING / "Dockerfile").read_text()


@pytest.mark.slow
def test_a_folder_in_no_git_is_taken_as_it_is(fork: Path, workspace: Workspace) -> None:
    shutil.rmtree(fork / ".git")
    shutil.move(fork, workspace.root / "template")
    CHECKOUT.do(*WORKER, "--template", "template", cwd=workspace.root)
    assert memory(workspace) == ("template", "")
    assert "stop_grace_period: 75s" in (workspace.root / "compose/billing.yml").read_text()
    world.commit(workspace.root)
    CHECKOUT.do("add-handler", "billing", "orders.order.paid", cwd=workspace.root)
    done = CHECKOUT.run("update", "billing", cwd=workspace.root)
    assert (done.returncode, "the template template has no released version: tag one" in done.stdout) == (1, True)


def small(root: Path, **files: str) -> Path:
    for name, text in {"copier.yml": "service_name: {type: str}\n_subdirectory: template\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_template_without_parts_needs_none(tmp_path: Path, workspace: Workspace) -> None:
    answers = "_answers_file: services/{{ service_name }}/.copier-answers.yml\ncolour: red\n"
    root = small(
        tmp_path / "team", **{"template/{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers|to_nice_yaml }}"}
    )
    (root / "copier.yml").write_text((root / "copier.yml").read_text() + answers)
    world.commit(root)
    world.git(root, "tag", "v1.0.0")
    CHECKOUT.do("new", "worker", "billing", "--template", "../team", "--data", "colour=blue", cwd=workspace.root)
    assert memory(workspace) == ("../team", "v1.0.0")
    assert answers_file.read(workspace.root / BILLING).values == {"service_name": "billing", "colour": "blue"}
    done = CHECKOUT.run(*WORKER, "--template", "../team", cwd=workspace.root)
    assert (done.returncode, "--subject: the template ../team has no handlers" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ("../nothing", 1, "nothing cannot be read: fatal: repository"),
        (
            "file:///nothing/here.git@v1",
            1,
            "the template file:///nothing/here.git cannot be read: fatal: '/nothing/here.git'",
        ),
        ("../fork@2", 2, "--template: unknown template version '2' (available: v1.0.0, v1.1.0)"),
        ("../plain", 1, "../plain is not a template: it has no copier.yml"),
        ("../broken", 1, "copier.yml cannot be read"),
        ("../nameless", 1, "has no question service_name"),
        ("../elsewhere", 1, "does not have natsgen's layout: it has no services/billing/.copier-answers.yml"),
        ("../untagged", 1, "the template ../untagged has no released version: tag one, such as v1.0.0"),
        ("", 1, "is not a template"),
    ],
)
def test_what_is_no_template_is_one_message(
    fork: Path, workspace: Workspace, given: str, code: int, message: str
) -> None:
    (fork.parent / "plain").mkdir()
    small(fork.parent / "broken", **{"copier.yml": "{"})
    small(fork.parent / "nameless", **{"copier.yml": "name: {type: str}\n"})
    handlers = "handlers: {type: yaml}\n"
    small(
        fork.parent / "elsewhere",
        **{
            "copier.yml": f"_subdirectory: template\nservice_name: {{type: str}}\n{handlers}",
            "template/compose/a.txt": "a",
        },
    )
    world.commit(small(fork.parent / "untagged"))
    done = CHECKOUT.run(*WORKER, "--template", given, cwd=workspace.root)
    assert (done.returncode, done.stdout) == (code, "")
    (line,) = done.stderr.splitlines()
    assert message in line
    assert tree.read(workspace.root) == {}
