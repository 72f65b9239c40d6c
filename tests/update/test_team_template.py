"""A team's own template, in git somewhere: made by plain Copier, brought on by natsgen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from natsgen.answers import answers_file
from natsgen.files.workspace import Workspace
from natsgen.rendering import trust
from tests.update import world
from tests.update.world import CHECKOUT

COPIER_YML = """
_subdirectory: template
_answers_file: services/{{ service_name }}/.copier-answers.yml
_skip_if_exists: ["compose/*.txt"]
service_name: {type: str}
colour: red
"""


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """Two versions of a template: a bare repository's worth of it."""
    root = tmp_path / "team"
    service = root / "template/services/{{ service_name }}"
    service.mkdir(parents=True)
    (root / "template/compose").mkdir()
    (root / "template/compose/notes.txt").write_text("one\n")
    (root / "copier.yml").write_text(COPIER_YML)
    (service / "{{ _copier_conf.answers_file.name }}.jinja").write_text("{{ _copier_answers|to_nice_yaml }}")
    (service / "text.jinja").write_text("{{ colour }}\n\none\n")
    world.commit(root)
    world.git(root, "tag", "1.0.0")
    (service / "text.jinja").write_text("{{ colour }}\n\ntwo\n")
    (root / "template/compose/notes.txt").write_text("two\n")
    world.commit(root)
    world.git(root, "tag", "1.1.0")
    return root


def make(source: str, workspace: Workspace) -> None:
    command = [sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", "--vcs-ref", "1.0.0"]
    given = ["--data", "service_name=billing", "--data", "colour=blue"]
    subprocess.run([*command, *given, source, "."], cwd=workspace.root, env=world.environment(), check=True)
    world.commit(workspace.root)
    trust.remember(source, workspace.root)


@pytest.mark.parametrize("kind", ["path", "relative path", "bundle", "URL"])
def test_it_is_updated_checked_and_answered_anew(team: Path, workspace: Workspace, kind: str) -> None:
    if kind == "bundle":
        world.git(team, "bundle", "create", "--quiet", team.parent / "team.bundle", "HEAD", "--all")
    sources = {
        "path": str(team),
        "relative path": "../team",
        "bundle": str(team.parent / "team.bundle"),
        "URL": f"git+file://{team}",
    }
    make(sources[kind], workspace)
    source = answers_file.read(workspace.root / "services/billing").source
    assert CHECKOUT.run("check", "billing", cwd=workspace.root).returncode == 1
    text = workspace.root / "services/billing/text"
    text.write_text("blue, mine\n\none\n")
    world.commit(workspace.root)

    CHECKOUT.do("update", "--all", cwd=workspace.root)

    assert text.read_text() == "blue, mine\n\ntwo\n"
    assert (workspace.root / "compose/notes.txt").read_text() == "one\n"  # written once
    answers = (workspace.root / "services/billing/.copier-answers.yml").read_text()
    assert f"_src_path: {source}\n" in answers
    assert "_commit: 1.1.0\n" in answers


def test_a_template_that_is_away_fails_only_its_services(team: Path, workspace: Workspace) -> None:
    make(str(team), workspace)
    team.rename(team.with_name("away"))
    done = CHECKOUT.run("update", "--all", cwd=workspace.root)
    assert done.returncode == 1
    assert f"the template {team} cannot be read" in done.stdout
