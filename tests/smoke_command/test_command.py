"""`natsgen smoke` from its first line to its exit code: on a fork, on a faulty template, and when somebody ends it."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from natsgen.cli import main
from natsgen.harness.commands import run
from natsgen.harness.waiting import wait_until
from natsgen.smoke.container import LABEL
from tests.smoke_command.conftest import Start, processes_of

RUN_SECONDS = 300.0
MOMENT_SECONDS = 120.0
GONE_SECONDS = 30.0
ENGINE_SECONDS = 20.0


def project_in(folder: Path) -> str:
    """The compose project of a sample that runs in containers and was made in the folder; "" if there is none yet."""
    labels = '{{.Label "com.docker.compose.project"}} {{.Label "com.docker.compose.project.working_dir"}}'
    printed = run(["docker", "ps", "--filter", f"label={LABEL}", "--format", labels], limit=ENGINE_SECONDS).output
    lines = [line.partition(" ") for line in printed.splitlines()]
    return next((project for project, _, place in lines if Path(place).is_relative_to(folder)), "")


def on_the_engine(project: str) -> dict[str, list[str]]:
    """What there is of a compose project, by kind."""
    of = f"label=com.docker.compose.project={project}"
    listings = {
        "container": ["docker", "ps", "--all", "--quiet", "--filter", of],
        "network": ["docker", "network", "ls", "--quiet", "--filter", of],
        "volume": ["docker", "volume", "ls", "--quiet", "--filter", of],
        "image": ["docker", "images", "--quiet", "--filter", f"reference={project}*"],
    }
    return {kind: run(command, limit=ENGINE_SECONDS).output.split() for kind, command in listings.items()}


def test_a_fork_with_a_renamed_folder_and_more_questions_passes(start: Start, fork: Path, temporary: Path) -> None:
    git = ["git", "-C", str(fork), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "fork"], ["tag", "v1.0.0"]):
        subprocess.run([*git, *words], check=True)

    steps_wanted = ("requests", "stop", "update", "grown run", "remove")
    process = start(
        *("--template", f"file://{fork}@v1.0.0", "--only", "service", "--backend", "process", "--json", "--keep"),
        *(word for step in steps_wanted for word in ("--step", step)),
    )
    out, errors = process.communicate(timeout=RUN_SECONDS)

    assert process.returncode == 0, out + errors
    report = json.loads(out)
    (sample,) = report["samples"]
    steps = {step["step"]: step["verdict"] for step in sample["steps"]}
    assert report["passed"]
    assert (sample["levels"]["team"], sample["levels"]["audited"]) == ("payments", "True")
    assert {steps[name] for name in (*steps_wanted, "generate", "ready", "add")} == {"passed"}
    assert "tests" not in steps, "no other step was wanted"
    (readme,) = Path(report["folder"]).glob("service/*/services/*/README.md")
    assert "Call payments, and tell the auditors." in readme.read_text()
    assert processes_of(temporary) == []
    assert [path.name for path in temporary.iterdir()] == [Path(report["folder"]).name], "the clone is gone"


def test_a_failure_is_shown_with_its_step_the_command_and_the_log_and_nothing_is_left(
    start: Start, fork: Path, temporary: Path, tmp_path: Path
) -> None:
    main = fork / "blueprint/services/{{ service_name }}/src/main.py"
    text = main.read_text()
    main.write_text(text.replace("import signal\n", "import signals\n", 1))

    process = start(
        *("--template", str(fork), "--only", "worker", "--backend", "process", "--junit", "report.xml"),
        *("--step", "start"),
    )
    out, errors = process.communicate(timeout=RUN_SECONDS)

    assert process.returncode == 1, out + errors
    assert "FAILED  worker, step start\n  what:    worker has ended with exit code 1" in out
    assert f"natsgen smoke --template {fork} --matrix quick --backend process --only worker --keep" in out
    assert "ModuleNotFoundError: No module named 'signals'" in out
    assert "worker: start FAILED" in errors
    suite = ElementTree.parse(tmp_path / "report.xml").getroot().find("testsuite")
    assert suite is not None
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert "start" in failed
    assert processes_of(temporary) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("heartbeat", signal.SIGINT),
        ("heartbeat", signal.SIGTERM),
        ("heartbeat", signal.SIGKILL),
        ("tests", signal.SIGKILL),  # in which a server runs as well, started by the service's own tests
    ],
)
def test_ended_while_a_service_runs_it_leaves_nothing(
    start: Start, fork: Path, temporary: Path, step: str, number: signal.Signals
) -> None:
    conftest = fork / "blueprint/services/{{ service_name }}/tests/conftest.py"
    served = "        yield str(json.loads("
    text = conftest.read_text()
    assert text.count(served) == 1
    conftest.write_text(text.replace(served, f"        time.sleep({GONE_SECONDS})\n{served}"))  # long enough to be seen
    template = ("--template", str(fork)) if step == "tests" else ()
    process = start(*template, "--only", "worker", "--backend", "process", "--step", step)
    wait_until(
        lambda: any("nats-server" in line for line in processes_of(temporary)),
        limit=MOMENT_SECONDS,
        what="the sample's NATS server to run",
    )

    process.send_signal(number)
    _, errors = process.communicate(timeout=GONE_SECONDS)

    assert process.returncode == (-9 if number == signal.SIGKILL else 130), errors
    wait_until(lambda: not processes_of(temporary), limit=GONE_SECONDS, what="all processes to end")
    wait_until(lambda: not list(temporary.iterdir()), limit=GONE_SECONDS, what="all files to go")


@pytest.mark.docker
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ended_while_containers_run_it_leaves_nothing(start: Start, temporary: Path, number: signal.Signals) -> None:
    process = start("--only", "worker", "--backend", "docker", "--step", "container")
    project = wait_until(
        lambda: project_in(temporary), limit=MOMENT_SECONDS, every=0.5, what="the sample's container to run"
    )
    before = on_the_engine(project)

    process.send_signal(number)
    _, errors = process.communicate(timeout=2 * GONE_SECONDS)

    assert process.returncode == (-9 if number == signal.SIGKILL else 130), errors
    assert all(before.values()), f"one of each was there before: {before}"
    wait_until(
        lambda: not any(on_the_engine(project).values()),
        limit=2 * GONE_SECONDS,
        every=0.5,
        what=f"all of {project} to go from the engine",
    )
    wait_until(lambda: not list(temporary.iterdir()), limit=GONE_SECONDS, what="all files to go")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--matrix", "qick"), "--matrix: invalid value 'qick' (choose quick, full)"),
        (("--kinds", "workr"), "did you mean 'worker'?"),
        (("--step", "hartbeat"), "did you mean 'heartbeat'?"),
        (("--only", "nobody"), "unknown service 'nobody'"),
        (("--template", "/nowhere"), "no such folder: /nowhere"),
        (("--junit", "/nowhere/report.xml"), "no such folder: /nowhere"),
    ],
)
def test_what_is_mistyped_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    temporary: Path,
    arguments: tuple[str, str],
    says: str,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    exit_code = main(["smoke", *arguments])

    assert exit_code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("natsgen: ")
    assert says in printed.err
    assert list(temporary.iterdir()) == []
