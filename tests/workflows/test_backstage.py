"""Files for Backstage: its catalog accepts them, and the documented action creates the service."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from natsgen.cli import main
from natsgen.files import tree
from natsgen.harness.commands import run
from natsgen.harness.programs import need_program
from tests.documents.blocks import read_blocks

REPOSITORY = Path(__file__).resolve().parents[2]
INSTALL_SECONDS, RUN_SECONDS = 300.0, 60.0
ANSWERS = {"service_name": "billing", "handlers": {"order_created": "orders.order.created"}}
CATALOG = "services/greeter/deploy/catalog/catalog-info.yaml"
STUBS = {
    "plugin-scaffolder-node": "export const createTemplateAction = action => action;",
    "backend-plugin-api": (
        "import { join } from 'node:path';\nexport const resolveSafeChildPath = (base, path) => join(base, path);"
    ),
}
"""Backstage's own functions, as far as the action uses them: its packages of 500 MB are not installed."""
CALL = """
import {{ natsgenNew }} from './action.mjs';
await natsgenNew().handler({{ input: {input}, workspacePath: process.cwd() }});
"""

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that checks entities, with Backstage's schemas."""
    folder = tmp_path_factory.mktemp("node") / "backstage"
    shutil.copytree(Path(__file__).with_name("backstage"), folder)
    npm = need_program("npm", hint="install Node.js")
    quietly = ("--ignore-scripts", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved")
    run([npm, "ci", *quietly], limit=INSTALL_SECONDS, folder=folder)
    return folder / "check.cjs"


def test_backstage_accepts_the_entities(checker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["questions", "gateway", "--backstage"]) == 0
    entities = [yaml.safe_load(capsys.readouterr().out)]
    labels = json.dumps({"team": "group:payments & co"})
    new = ["new", "service", "greeter", "--action", "greet", "--deploy", "catalog", "--data", f"labels={labels}"]
    assert main([*new, "--description", 'Says "hello": # ünd more', "--workspace", str(tmp_path)]) == 0
    component, api = yaml.safe_load_all((tmp_path / CATALOG).read_text())
    assert component["spec"]["owner"] == "group:payments-co"
    assert component["metadata"]["description"] == 'Says "hello": # ünd more'
    assert component["spec"]["providesApis"] == [api["metadata"]["name"]]
    document = (tmp_path / CATALOG).parent / api["spec"]["definition"]["$text"]
    assert main(["asyncapi", "greeter", "--static", "--output", str(document), "--workspace", str(tmp_path)]) == 0
    spec = {**api["spec"], "definition": document.read_text()}  # as Backstage resolves $text
    entities += [component, {**api, "spec": spec}]
    broken = {**entities[0], "spec": {**entities[0]["spec"], "steps": "none"}}
    files = [tmp_path / f"{number}.json" for number in range(len(entities) + 1)]
    for file, entity in zip(files, [broken, *entities], strict=True):
        file.write_text(json.dumps(entity))
    node = need_program("node", hint="install Node.js")

    assert run([node, checker, files[0]], limit=RUN_SECONDS, check=False).exit_code == 1
    run([node, checker, *files[1:]], limit=RUN_SECONDS)


def test_the_action_in_the_guide_creates_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (action,) = [block for block in read_blocks(REPOSITORY, "docs/guides/backstage.md") if block.language == "js"]
    for name, text in STUBS.items():
        package = tmp_path / "node_modules/@backstage" / name
        package.mkdir(parents=True)
        (package / "package.json").write_text(json.dumps({"name": name, "type": "module", "main": "index.js"}))
        (package / "index.js").write_text(text)
    assert main(["questions", "--backstage"]) == 0
    steps = {step["id"]: step["input"] for step in yaml.safe_load(capsys.readouterr().out)["spec"]["steps"]}
    (tmp_path / "action.mjs").write_text(action.text)
    given = json.dumps({**steps["new"], "answers": ANSWERS})
    (tmp_path / "call.mjs").write_text(CALL.format(input=given))
    for folder in ("workspace", "expected"):
        (tmp_path / folder / "compose").mkdir(parents=True)
    (tmp_path / "workspace/natsgen.toml").write_text("")
    node = need_program("node", hint="install Node.js")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run([node, "call.mjs"], limit=RUN_SECONDS, folder=tmp_path, environment={**os.environ, "PATH": path})

    options = ["--subject", "orders.order.created", "--data", "workspace=workspace"]
    assert main(["new", "worker", "billing", *options, "--workspace", str(tmp_path / "expected")]) == 0
    assert tree.read(tmp_path / steps["pull"]["sourcePath"]) == tree.read(tmp_path / "expected")
