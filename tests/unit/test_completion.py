"""What the shell is offered, by the protocol that it speaks with natsgen."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from natsgen.cli import main
from natsgen.files import tree

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    actions = folder / "services/billing/src/domain/actions"
    actions.mkdir(parents=True)
    for action in ("quote", "quote_v2", "refuse"):
        (actions / f"{action}_action.py").write_text("def (")
    for service, handlers in {"billing": ("order_created", "order_paid", "refund"), "audit": ("seen",)}.items():
        (folder / "services" / service / "src/domain/handlers").mkdir(parents=True)
        (folder / "services" / service / ".copier-answers.yml").write_text("_commit: v0.1.0\n")
        for handler in handlers:
            (folder / "services" / service / f"src/domain/handlers/{handler}_handler.py").write_text("def (")
    (folder / "services" / "other").mkdir()
    for noun in ("publisher", "subscriber"):
        (folder / f"services/billing/src/domain/{noun}s").mkdir(parents=True)
        (folder / f"services/billing/src/domain/{noun}s/heart_beat_{noun}.py").write_text("def (")
    (folder / "services/billing/src/web/routes").mkdir(parents=True)
    (folder / "services/billing/src/web/routes/greet_route.py").write_text("def (")
    (folder / "services/billing/src/domain/tasks").mkdir(parents=True)
    (folder / "services/billing/src/domain/tasks/send_email_task.py").write_text("def (")
    return folder


@pytest.fixture
def complete(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[str]]:
    """What is offered for the last word of a line; it must be all that happens."""

    def complete(*words: str, cwd: Path = here) -> list[str]:
        before = tree.read(here)
        variables = {"COMP_WORDS": " ".join(["natsgen", *words]), "COMP_CWORD": str(len(words))}
        for name, value in {"_NATSGEN_COMPLETE": "complete_bash", **variables}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(cwd)
        assert main([]) == 0
        said = capsys.readouterr()
        assert said.err == ""
        assert tree.read(here) == before
        return said.out.split()

    return complete


PARTS = ("handler", "action", "route", "publisher", "subscriber", "task")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["remove"], [f"remove-{noun}" for noun in (*PARTS, "extra", "deploy")]),
        (["rep"], ["replay-trace", "repair"]),
        (["add-extra", "billing", "k"], ["kv"]),
        (["add-deploy", "billing", "k"], ["kubernetes"]),
        (["new", "s"], ["service", "subscriber"]),
        (["remove-publisher", "billing", "heart"], ["heart_beat"]),
        (["remove-subscriber", "billing", ""], ["heart_beat"]),
        (["add-subscriber", "b"], ["billing"]),
        (["add-action", "a"], ["audit"]),
        (["remove-action", "billing", "quote"], ["quote", "quote_v2"]),
        (["remove-action", "audit", ""], []),
        (["remove-route", "billing", "gr"], ["greet"]),
        (["add-route", "b"], ["billing"]),
        (["remove-task", "billing", "se"], ["send_email"]),
        (["new", "g"], ["gateway"]),
        (["add-handler", ""], ["audit", "billing"]),
        (["list", "b"], ["billing"]),
        (["show", "x"], []),
        (["remove-handler", "billing", "order"], ["order_created", "order_paid"]),
        (["remove-handler", "billing", "order-p"], []),
        (["remove-handler", "nothing", ""], []),
        (["remove-handler", "billing", "--fo"], ["--force"]),
        (["dlq", "re"], ["replay"]),
        (["dlq", "list", "--service", "b"], ["billing"]),
        (["dlq", "replay", "--service", "billing", "--handler", "ref"], ["refund"]),
        (["dlq", "list", "--reason", "e"], ["exhausted"]),
    ],
)
def test_commands_services_and_handlers_are_completed(
    complete: Callable[..., list[str]], words: list[str], offered: list[str]
) -> None:
    assert complete(*words) == offered


def test_the_workspace_on_the_line_counts(complete: Callable[..., list[str]], here: Path, tmp_path: Path) -> None:
    assert complete("show", "--workspace", str(here), "b", cwd=tmp_path) == ["billing"]


def test_without_a_workspace_nothing_is_offered_and_nothing_is_said(
    complete: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "services").touch()
    assert complete("show", "", cwd=tmp_path) == []


@pytest.mark.parametrize(
    "variables",
    [
        {"_NATSGEN_COMPLETE": "complete_bash"},
        {"_NATSGEN_COMPLETE": "complete_bash", "COMP_WORDS": "natsgen 'x", "COMP_CWORD": "x"},
        {"_NATSGEN_COMPLETE": "nonsense"},
        {"_NATSGEN_COMPLETE": "complete_nonsense"},
    ],
)
def test_whatever_is_wrong_nothing_is_said(natsgen_process: Run, here: Path, variables: dict[str, str]) -> None:
    process = natsgen_process(cwd=here, **variables)
    assert (process.returncode, process.stdout.strip(), process.stderr) == (0, "", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_the_shell_can_be_shown(natsgen_process: Run, shell: str) -> None:
    process = natsgen_process("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert process.returncode == 0
    assert "_NATSGEN_COMPLETE" in process.stdout
