"""`natsgen init` and the natsgen.toml that `natsgen new worker` reads."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from natsgen.cli import main
from natsgen.files import tree

WORKER = ["new", "worker", "billing", "--subject", "orders.order.created"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_one_line_prepares_a_workspace(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / ".gitignore").write_text("mine\n")
    assert main(["init"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Prepared the workspace {here}\n  natsgen.toml\n  .gitignore (extended)\n")
    assert main(["init"]) == 1
    assert "natsgen.toml exists already: edit it" in capsys.readouterr().err


def test_the_diff_of_a_dry_run_applied_is_what_the_command_makes(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / ".gitignore").write_text("mine")
    assert main(["init", "--dry-run"]) == 0
    assert (here / ".gitignore").read_text() == "mine"
    diff = capsys.readouterr().out.encode()
    assert main(["init", "--no-input"]) == 0
    made = tree.read(here)
    (here / "natsgen.toml").unlink()
    (here / ".gitignore").write_text("mine")
    subprocess.run(["git", "apply", "-"], input=diff, check=True)
    assert tree.read(here) == made


def test_with_json_there_is_one_document(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--json", "--workspace", "new"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert sorted(document["created"]) == [".gitignore", "natsgen.toml"]
    assert document["changed"] == []


def test_a_workspace_that_was_prepared_makes_the_same_worker(here: Path) -> None:
    assert main(WORKER) == 0
    plain = tree.read(here / "services")
    subprocess.run(["rm", "-r", "services", "compose"], check=True)
    main(["init"])
    assert main(WORKER) == 0
    assert tree.read(here / "services") == plain


def test_the_workspaces_defaults_are_used_and_anything_else_goes_before_them(here: Path, tmp_path: Path) -> None:
    (here / "natsgen.toml").write_text(
        '[defaults]\ncontext = "toml"\npython = "3.11"\ndedup = "redis"\nnetwork = "toml"\nlabels = { team = "x" }\n'
    )
    (tmp_path / "answers.yml").write_text("dedup: nats-kv\nnetwork: file\nbounded_context: file\n")
    options = ["--context", "flag", "--data", "network=data", "--data-file", str(tmp_path / "answers.yml")]
    assert main([*WORKER, *options]) == 0
    stored = yaml.safe_load((here / "services/billing/.copier-answers.yml").read_text())
    keys = ("bounded_context", "network", "dedup", "python_version", "labels", "registry")
    assert [stored[key] for key in keys] == ["flag", "data", "nats-kv", "3.11", {"team": "x"}, ""]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[defaults]\npyton = "3.12"', "did you mean 'python'?"),
        ('[defaults]\nregistry = "https://r"', "[defaults] registry: invalid registry 'https://r'"),
        ("[defaults", "is not valid TOML"),
    ],
)
def test_a_mistake_in_natsgen_toml_is_one_line_that_names_it(
    here: Path, content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "natsgen.toml").write_text(content)
    assert main(WORKER) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"natsgen: {here / 'natsgen.toml'}")
    assert message in line
    assert [path.name for path in here.iterdir()] == ["natsgen.toml"]
