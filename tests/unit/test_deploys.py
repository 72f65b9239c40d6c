"""Deployment files follow the source of a service, and keep what its owner edited."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from natsgen.answers import answers, answers_file, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.cli import main
from natsgen.files import tree
from natsgen.files.tree import Tree
from natsgen.files.workspace import Workspace
from natsgen.parts import facts
from natsgen.rendering import render, template_source
from natsgen.update import planning
from natsgen.update.planning import Task

TEMPLATE = template_source.bundled()
QUESTIONS = questions.read(TEMPLATE.folder)
BILLING = PurePosixPath("services/billing")
BASE = BILLING / "deploy/kubernetes/base"
SCALED = BILLING / "deploy/kubernetes/components/keda/scaled-object.yaml"
NACK = BILLING / "deploy/kubernetes/components/nack"
OVERLAY = BILLING / "deploy/kubernetes/overlays/production/kustomization.yaml"
CREATED, PAID = (BILLING / f"src/domain/handlers/order_{what}_handler.py" for what in ("created", "paid"))


def write(files: Tree, root: Path) -> None:
    for path, file in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(file.content)


def rendered(**given: Any) -> Tree:
    known = GivenAnswers.of({"service_name": "billing", **given}, {})
    return render.render(TEMPLATE, answers.complete(known, QUESTIONS, Path("/srv/shop")).as_data(), "shop")


@pytest.fixture(scope="module")
def worker() -> Tree:
    return rendered(handlers={"order_created": "orders.order.created"}, deploy=["kubernetes"])


@pytest.fixture
def shop(workspace: Workspace, worker: Tree, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the worker billing, which has manifests; it is the current folder."""
    write(worker, workspace.root)
    monkeypatch.chdir(workspace.root)
    return workspace.root


def do(*words: str) -> None:
    assert main(list(words)) == 0


def edit(shop: Path, path: PurePosixPath, old: str, new: str) -> None:
    text = (shop / path).read_text()
    assert old in text
    (shop / path).write_text(text.replace(old, new, 1))


@pytest.mark.slow
def test_what_comes_and_goes_leaves_the_tree_as_it_was(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_deploy = tree.read(shop)
    do("remove-deploy", "billing", "kubernetes")
    without = tree.read(shop)
    assert not (shop / BILLING / "deploy").exists()
    capsys.readouterr()
    do("add-deploy", "billing", "kubernetes", "--json")
    assert json.loads(capsys.readouterr().out)["deploy"] == ["kubernetes"]
    assert tree.read(shop) == with_deploy
    do("add-deploy", "billing", "kubernetes")
    assert "Changed nothing in billing: its deploys are kubernetes" in capsys.readouterr().out
    do("add-handler", "billing", "orders.order.paid")
    assert {path for path in with_deploy if tree.read(shop)[path] != with_deploy[path]} >= {SCALED}
    assert "billing-order_paid" in (shop / SCALED).read_text()
    do("remove-handler", "billing", "order_paid")
    assert tree.read(shop) == with_deploy
    do("remove-deploy", "billing", "kubernetes")
    assert tree.read(shop) == without


def test_the_files_keep_edits_and_follow_the_source(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(shop, BASE / "deployment.yaml", "replicas: 2", "replicas: 5")
    (shop / OVERLAY).write_text("# mine\n")
    do("add-handler", "billing", "orders.order.paid")
    assert "\n  and changed 3 files in services/billing/deploy/\n" in capsys.readouterr().out
    edit(shop, PAID, '"orders.order.paid"', '"orders.order.paid", concurrency=4')
    capsys.readouterr()
    assert main(["check", "billing"]) == 1
    assert "do not match the source, such as its handlers: natsgen repair billing updates them" in (
        capsys.readouterr().out
    )
    do("repair", "billing", "--json")
    assert json.loads(capsys.readouterr().out)["updated"] == ["kubernetes"]
    record = json.loads((shop / BILLING / facts.RECORD).read_text())
    assert [one["concurrency"] for one in record["consumers"]] == [1, 4]
    assert "replicas: 5" in (shop / BASE / "deployment.yaml").read_text()
    assert (shop / OVERLAY).read_text() == "# mine\n"


def test_a_repair_says_which_part_it_cannot_read(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(shop, CREATED, "async def", "<<<<<<< ours\nasync def")
    do("repair", "billing")
    assert f"the files in deploy/ leave out {CREATED.relative_to(BILLING)}: line " in capsys.readouterr().err


def test_after_a_merge_with_conflicts_the_message_says_what_to_do(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = shop / BILLING / facts.RECORD
    record.write_text("<<<<<<< ours\n" + record.read_text())
    before = tree.read(shop)
    for words in (["check", "billing"], ["repair", "billing"], ["add-handler", "billing", "orders.order.paid"]):
        assert main(words) == 1
        told = capsys.readouterr()
        assert "deploy/facts.json is not valid, for example after a merge" in told.out + told.err
    assert tree.read(shop) == before
    do("remove-deploy", "billing", "kubernetes", "--force")
    record.parent.mkdir(exist_ok=True)
    record.write_text("[]\n")  # now the owner's
    do("check", "billing")


def test_the_owner_may_edit_the_catalog(shop: Path) -> None:
    do("add-deploy", "billing", "catalog")
    entities = BILLING / "deploy/catalog/catalog-info.yaml"
    edit(shop, entities, "consumesApis: []", "consumesApis: [orders]")
    edit(shop, entities, 'owner: "unknown"', "owner: payments")
    edited = (shop / entities).read_text()
    do("add-handler", "billing", "orders.order.paid")
    do("remove-deploy", "billing", "kubernetes")
    assert (shop / entities).read_text() == edited


def test_what_is_not_known_is_said_in_the_files(shop: Path) -> None:
    edit(shop, CREATED, '.created")', '.created", concurrency=MOST)')
    do("add-handler", "billing", "orders.order.paid")
    for path in (SCALED, NACK / "consumers.yaml"):
        assert "# an option of the handler order_created is not a literal" in (shop / path).read_text()


def test_each_resource_has_a_name_of_its_own() -> None:
    handlers = {"eu_order_created": "orders.a", "one": "A_B.c", "other": "a-b.c"}
    files = rendered(handlers=handlers, deploy=["kubernetes"])
    files |= rendered(service_name="billing-eu", handlers={"order_created": "eu.a"}, deploy=["kubernetes"])
    texts = [file.content.decode() for path, file in files.items() if path.parts[-2] == "nack"]
    resources = [one for text in texts for one in yaml.safe_load_all(text) if "metadata" in one]
    names = [(one["kind"], one["metadata"]["name"]) for one in resources]
    assert ("Consumer", "billing.eu.order.created-events") in names
    assert len({*names}) == len(names)


def test_an_edit_in_the_same_place_is_refused(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(shop, SCALED, 'consumer: "billing-order_created"', "consumer: another")
    before = tree.read(shop)
    assert main(["add-handler", "billing", "orders.order.changed"]) == 1
    assert f"{SCALED}: you edited lines that must change with the source" in capsys.readouterr().err
    assert tree.read(shop) == before


@pytest.mark.slow
def test_with_files_of_the_owner_it_is_removed_only_by_force(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    staging = shop / BILLING / "deploy/kubernetes/overlays/staging/kustomization.yaml"
    staging.parent.mkdir()
    staging.write_text("# mine\n")
    assert main(["remove-deploy", "billing", "kubernetes"]) == 1
    assert "is not the template's; use --force to remove it anyway" in capsys.readouterr().err
    (shop / OVERLAY).write_text("# mine\n")
    assert main(["remove-deploy", "billing", "kubernetes"]) == 1
    assert f"{OVERLAY.relative_to(BILLING)} was edited; use --force to remove it anyway" in capsys.readouterr().err
    do("remove-deploy", "billing", "kubernetes", "--force")
    assert [path for path in (shop / BILLING / "deploy").rglob("*") if path.is_file()] == [staging]


@pytest.mark.slow
def test_an_update_merges_them_and_follows_the_source(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "template").mkdir()
    newer = replace(TEMPLATE, folder=tmp_path / "template", commit="v9.0.0")
    for part in ("copier.yml", "includes", "template"):
        source = TEMPLATE.folder / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, newer.folder / part)
    deployment = newer.folder / "template/services/{{ service_name }}/deploy/kubernetes/base/deployment.yaml.jinja"
    deployment.write_text(deployment.read_text().replace("memory: 256Mi", "memory: 512Mi"))
    edit(shop, BASE / "deployment.yaml", "replicas: 2", "replicas: 5")
    edit(shop, CREATED, '.created")', '.created", concurrency=9)')
    (shop / OVERLAY).write_text("# mine\n")

    stored = answers_file.read(shop / BILLING).values
    plan = planning.plan(Workspace(shop), Task("billing", TEMPLATE, newer, stored, {}))

    changed = {path: file.content.decode() for path, file in plan.change.after.items()}
    assert plan.conflicts == ()
    assert changed.keys() == {BILLING / ".copier-answers.yml", BASE / "deployment.yaml", BILLING / facts.RECORD, SCALED}
    assert "replicas: 5" in changed[BASE / "deployment.yaml"]
    assert "memory: 512Mi" in changed[BASE / "deployment.yaml"]
    assert 'lagThreshold: "509"' in changed[SCALED]


def test_copier_derives_the_facts_of_the_source(tmp_path: Path) -> None:
    made = rendered(
        handlers={
            "a_b": "orders.a",
            "a": {"subject": "sales.>", "durable": "archive", "concurrency": 3},
            "many": {"subject": "one", "batch": True},
        },
        tasks={"send": {"queue": "mails", "concurrency": 2}, "b": {"queue": "a-b"}},
        publishers={"beat": "events.beat", "core": {"subject": "events.core", "core": True}},
        deploy=["kubernetes"],
    )
    write(made, tmp_path)
    record = facts.recorded(tmp_path / BILLING)
    assert record == facts.of_source(tmp_path / BILLING)
    assert record
    assert record["unknown"] == []
    assert len(record["consumers"]) == 9
    assert record["publishes"] == [{"subject": "events.beat", "stream": "EVENTS"}]


def test_only_literals_are_facts(tmp_path: Path) -> None:
    file = tmp_path / "billing/src/domain/handlers/many_handler.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        '@subscriber("a.b", stream="S", prefetch=7, deliver="new", ack_wait=2.5, publishes=["c.d"])\n'
        "async def handle_one(event): ...\n"
        '@subscriber("a.c", concurrency=MOST)\n'
        "async def handle_two(event): ...\n"
        '@subscriber("a.d", publishes=SUBJECTS)\n'
        "async def handle_three(event): ...\n"
        '@subscriber("a.e", publishes="c.d")\n'
        "async def handle_wrong(event): ...\n"
        '@subscriber("a.f", publishes={["c.d"]})\n'
        "async def handle_wrong_too(event): ...\n"
        '@subscriber("a.g", concurrency="4")\n'
        "async def handle_four(event): ...\n"
    )
    found = facts.of_source(tmp_path / "billing")
    assert [(one["name"], one["stream"], one["prefetch"]) for one in found["consumers"]] == [
        ("one", "S", 7),
        *((name, "A", 500) for name in ("three", "wrong", "wrong_too")),
    ]
    assert (found["consumers"][0]["deliver"], found["consumers"][0]["ack_wait"]) == ("new", 2.5)
    assert found["publishes"] == [{"subject": "c.d", "stream": "C"}]
    assert found["unknown"] == [f"handler {name}" for name in ("four", "three", "two", "wrong", "wrong_too")]


@pytest.mark.parametrize(
    "text", ["", "<<<<<<<", "[]", "{}", '{"kinds": [], "consumers": [1], "publishes": [], "unknown": []}']
)
def test_a_broken_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / facts.RECORD).parent.mkdir()
    (tmp_path / facts.RECORD).write_text(text)
    assert facts.recorded(tmp_path) is None


def test_the_defaults_are_those_of_the_runtime() -> None:
    text = (TEMPLATE.folder / "template/services/{{ service_name }}/src/infrastructure/subscription.py").read_text()
    for name, default in facts.DEFAULTS.items():
        (found,) = re.findall(rf"^    {name}: \w+ = ([0-9_.]+)$", text, re.MULTILINE)
        assert float(found) == default
