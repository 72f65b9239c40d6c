"""Extras come when a person asks for them and go when nobody needs them; everything else stays as it is."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from natsgen.answers import answers, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.cli import main
from natsgen.files import tree
from natsgen.files.tree import Tree
from natsgen.files.workspace import Workspace
from natsgen.parts import packages
from natsgen.rendering import render, template_source

TEMPLATE = template_source.bundled()
QUESTIONS = questions.read(TEMPLATE.folder)
BILLING = PurePosixPath("services/billing")
ANSWERS = BILLING / ".copier-answers.yml"
Make = Callable[..., Workspace]
CORE = ("batches", "cloudevents", "kv")
"""The extras of the short run: all of them come and go by one rule."""


@pytest.fixture(scope="module")
def worker() -> Tree:
    given = GivenAnswers.of({"service_name": "billing", "handlers": {"one": "a.b"}}, {})
    return render.render(TEMPLATE, answers.complete(given, QUESTIONS, Path("/srv/shop")).as_data(), "shop")


@pytest.fixture
def shop(workspace: Workspace, worker: Tree, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with the worker billing, which is the current folder."""
    for path, file in worker.items():
        target = workspace.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(0o755 if file.executable else 0o644)
    monkeypatch.chdir(workspace.root)
    return workspace


def do(*words: str) -> None:
    assert main(list(words)) == 0


def refused(code: int, *words: str) -> None:
    before = tree.read(Path.cwd())
    for more in ((), ("--dry-run",)):
        assert main([*words, *more]) == code
    assert tree.read(Path.cwd()) == before


def found(shop: Workspace) -> frozenset[str]:
    return packages.found(shop.root / BILLING)


def asked(shop: Workspace) -> list[str]:
    extras: list[str] = yaml.safe_load((shop.root / ANSWERS).read_text())["extras"]
    return extras


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in CORE else pytest.mark.slow) for name in packages.EXTRA_NAMES]
)
def test_an_extra_that_comes_and_goes_leaves_the_tree_as_it_was(shop: Workspace, name: str) -> None:
    before = tree.read(shop.root)
    folders = {path for path in (shop.root / BILLING).rglob("*") if path.is_dir()}

    do("add-extra", "billing", name)
    assert found(shop) == packages.closure([name, "handlers"])
    assert asked(shop) == [name]
    after = tree.read(shop.root)
    others = {BILLING / "pyproject.toml", BILLING / "requirements.txt", PurePosixPath("compose/billing.yml")}
    changed = others if packages.BY_NAME[name].has_dependencies else set()
    assert {path for path in before if after[path] != before[path]} == {ANSWERS, *changed}
    do("remove-extra", "billing", name)

    assert tree.read(shop.root) == before
    assert {path for path in (shop.root / BILLING).rglob("*") if path.is_dir()} == folders


def test_the_dependencies_of_an_extra_join_those_of_the_owner(
    shop: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    project, compose = shop.root / BILLING / "pyproject.toml", shop.root / "compose/billing.yml"
    project.write_text(
        project.read_text().replace('    "pydantic>=2.12",\n', '    "httpx>=0.28",\n    "pydantic>=2.12",\n')
    )
    before = tree.read(shop.root)
    do("add-extra", "billing", "otel")
    dependencies = tomllib.loads(project.read_text())["project"]["dependencies"]
    assert {"httpx>=0.28", "opentelemetry-sdk>=1.40"} < set(dependencies)
    pins = (shop.root / BILLING / "requirements.txt").read_text()
    assert "\nopentelemetry-sdk==" in pins
    assert (shop.root / "compose/telemetry.yml").exists()
    do("remove-extra", "billing", "otel")
    assert tree.read(shop.root) == before

    compose.write_text(
        compose.read_text().replace("  - infrastructure.yml\n", "  - infrastructure.yml\n  - mine.yml\n")
    )
    refused(1, "add-extra", "billing", "otel")
    assert "compose/billing.yml was edited" in capsys.readouterr().err


def test_what_was_added_is_what_a_new_service_with_it_has(shop: Workspace) -> None:
    do("add-extra", "billing", "kv,objects", "streams")
    given: dict[str, Any] = {"handlers": {"one": "a.b"}, "extras": ["kv", "objects", "streams"]}
    data = answers.complete(
        GivenAnswers.of({"service_name": "billing", **given}, {}), QUESTIONS, Path("/srv/shop")
    ).as_data()
    assert tree.read(shop.root) == render.render(TEMPLATE, data, "shop")


def test_a_new_service_has_the_extras_that_were_asked_for(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.root)
    do("new", "worker", "billing", "--subject", "a.b", "--with", "objects,kv", "--with", "kv", "--no-input")
    assert asked(workspace) == ["kv", "objects"]
    assert found(workspace) == packages.closure(["handlers", "kv", "objects"])
    do("new", "publisher", "beat", "--subject", "a.b", "--with", "kv", "--no-input")
    do("new", "subscriber", "ear", "--subject", "a.b", "--with", "messages", "--no-input")
    assert (workspace.root / "services/ear/src/domain/messages.py").exists()


def test_an_organisation_may_ask_for_extras_in_every_service(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.root / "natsgen.toml").write_text('[defaults]\nextras = ["decoders"]\n')
    monkeypatch.chdir(workspace.root)
    do("new", "worker", "billing", "--subject", "a.b", "--no-input")
    assert asked(workspace) == ["decoders"]


def test_an_extra_that_is_there_already_changes_nothing_and_a_note_says_so(
    shop: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    do("add-extra", "billing", "kv")
    before = tree.read(shop.root)
    do("add-extra", "billing", "kv")
    assert tree.read(shop.root) == before
    assert "note: billing already has the extra kv" in capsys.readouterr().err


def test_an_extra_stays_while_parts_come_and_go(shop: Workspace) -> None:
    do("add-extra", "billing", "kv")
    before = tree.read(shop.root)
    do("add-task", "billing", "send", "--queue", "emails")
    do("remove-task", "billing", "send")
    assert tree.read(shop.root) == before


def test_what_somebody_needs_is_not_removed(shop: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    do("add-extra", "billing", "messages", "schemas")
    refused(1, "remove-extra", "billing", "messages")
    assert "billing needs the package messages, for its package schemas: nothing was changed" in capsys.readouterr().err
    do("remove-extra", "billing", "schemas")
    do("remove-extra", "billing", "messages")
    do("add-task", "billing", "send", "--queue", "emails")
    do("add-extra", "billing", "kv")
    refused(1, "remove-extra", "billing", "kv", "--force")
    assert "billing needs the package kv, for its tasks: nothing was changed" in capsys.readouterr().err


def test_what_a_persons_file_imports_is_not_removed(shop: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    do("add-extra", "billing", "kv")
    handler = shop.root / BILLING / "src/domain/handlers/one_handler.py"
    handler.write_text(f"from src.toolkit.kv import Bucket\n{handler.read_text()}")
    for force in ((), ("--force",)):
        refused(1, "remove-extra", "billing", "kv", *force)
    assert "the package kv was not removed, and nothing was changed: src/domain/handlers/one_handler.py imports it" in (
        capsys.readouterr().err
    )


def test_what_a_person_edited_is_removed_only_by_force(shop: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree.read(shop.root)
    do("add-extra", "billing", "kv")
    file = shop.root / BILLING / packages.BY_NAME["kv"].marker
    file.write_text(f"{file.read_text()}# mine\n")
    refused(1, "remove-extra", "billing", "kv")
    assert "was edited; use --force to remove it anyway" in capsys.readouterr().err
    do("remove-extra", "billing", "kv", "--force")
    assert tree.read(shop.root) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("add-extra", "billing", "objcts"), "NAME: unknown extra 'objcts'; did you mean 'objects'? (available: "),
        (("add-extra", "billing", "requests"), "NAME: unknown extra 'requests'"),
        (("add-extra", "billing", ","), "NAME needs the names of extras, such as batches,cloudevents"),
        (("add-extra", "biling", "kv"), "unknown service 'biling'"),
        (("remove-extra", "billing", "kv"), "billing has no extra 'kv' (it has none)"),
        (("add-deploy", "billing", "kubernets"), "NAME: unknown deploy 'kubernets'; did you mean 'kubernetes'?"),
        (("remove-deploy", "billing", "kubernetes"), "billing has no deploy 'kubernetes' (it has none)"),
        (("new", "worker", "x", "--subject", "a.b", "--with", "kvv"), "--with: unknown extra 'kvv'; did you mean"),
        (
            ("new", "worker", "x", "--subject", "a.b", "--data", "extras=kv"),
            "--data extras: extras must be a list such as [kv",
        ),
        (
            ("new", "worker", "x", "--subject", "a.b", "--data", "extras=[1]"),
            "--data extras: extras must be a list of texts",
        ),
        (("new", "worker", "x", "--subject", "a.b", "--data", "packages=[kv]"), "unknown question 'packages'"),
    ],
)
def test_wrong_input_is_one_message(
    shop: Workspace, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(2, *words)
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_extras_are_listed_one_line_each(shop: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    do("extras")
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(packages.EXTRA_NAMES)
    do("add-extra", "billing", "schemas")
    capsys.readouterr()
    do("extras", "billing")
    states = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()}
    assert {name for name, state in states.items() if state == "yes"} == {"schemas"}
    assert {name for name, state in states.items() if state == "needed"} == {"messages", "cloudevents"}
    do("extras", "billing", "--json")
    document = json.loads(capsys.readouterr().out)
    assert document["service"] == "billing"
    one = {"name": "messages", "summary": "the envelope EnvelopeMessage", "is_there": True, "is_asked_for": False}
    assert one in document["extras"]


def test_a_script_is_told_what_came_and_went(shop: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    do("add-extra", "billing", "messages", "--json")
    document = json.loads(capsys.readouterr().out)
    assert document["extras"] == ["messages"]
    assert document["created"] == [str(BILLING / "src/domain/messages.py")]
    assert document["changed"] == [str(ANSWERS)]
    do("remove-extra", "billing", "messages", "--json", "--dry-run")
    document = json.loads(capsys.readouterr().out)
    assert (document["removed"], document["dry_run"]) == ([str(BILLING / "src/domain/messages.py")], True)
    assert "deleted file mode" in document["diff"]


def test_a_template_without_extras_says_so(shop: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    from natsgen.errors import ServiceError
    from natsgen.services import extras
    from natsgen.services.edit import ServiceTarget

    without = questions.Questionnaire({k: v for k, v in QUESTIONS.questions.items() if k != "extras"}, ())
    with pytest.raises(ServiceError, match=r"billing is at .* which has no extras: run natsgen update first"):
        extras.add(ServiceTarget(shop, False, print, TEMPLATE, without, "billing"), ["kv"])
