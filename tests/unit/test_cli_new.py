"""`natsgen new worker`, as a person or a script runs it."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

import natsgen
from natsgen.cli import main
from natsgen.cli.new import next_commands
from natsgen.files import tree
from natsgen.files.workspace import Workspace
from natsgen.transaction import hashes, state

Run = Callable[..., subprocess.CompletedProcess[str]]
WORKER = ["new", "worker", "billing", "--subject", "orders.order.created"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which is an empty workspace."""
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def stored_answers(workspace: Path, name: str = "billing") -> dict[str, Any]:
    answers: dict[str, Any] = yaml.safe_load((workspace / "services" / name / ".copier-answers.yml").read_text())
    return answers


def test_one_line_makes_a_worker(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(WORKER) == 0
    assert (here / "services/billing/src/domain/handlers/order_created_handler.py").is_file()
    assert (here / "compose/billing.yml").is_file()
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith(f"Created the worker billing in {here}\n")
    assert "\n    natsgen dev\n" in captured.out


def test_every_option_ends_up_in_the_answers(here: Path, tmp_path: Path) -> None:
    (tmp_path / "answers.yml").write_text("python_version: 3.11\nworkspace: from-file\n")
    code = main(
        [*WORKER, "--subject", "orders.>", "--context", "sales", "--description", "Bills: 'all' of \"it\" {{ x }}",
         "--workspace", "deep/er", "--dedup", "redis", "--python", "3.14", "--network", "shared_net",
         "--registry", "registry.example.com:5000/mirror", "--envelope", "cloudevents", "--image", "alpine",
         "--with", "objects,kv", "--with", "kv", "--deploy", "kubernetes",
         "--data", "queue_group=all", "--data", "publish_interval=0.5",
         "--data", "labels={team: payments, cost: \"${X}: 'y'\"}",
         "--data", "dedup=none", "--data", "workspace=from-data", "--data-file", str(tmp_path / "answers.yml"),
         "--no-input"]
    )  # fmt: skip
    assert code == 0
    assert stored_answers(here / "deep/er") == {
        "_commit": f"v{natsgen.__version__}",
        "_src_path": "https://github.com/natsgen/natsgen.git",
        "service_name": "billing",
        "handlers": {"order_created": "orders.order.created", "orders_all": "orders.>"},
        "bounded_context": "sales",
        "description": "Bills: 'all' of \"it\" {{ x }}",
        "python_version": "3.14",
        "dedup": "redis",
        "workspace": "from-data",
        "network": "shared_net",
        "registry": "registry.example.com:5000/mirror",
        "labels": {"team": "payments", "cost": "${X}: 'y'"},
        "actions": {},
        "framework": "none",
        "routes": {},
        "publishers": {},
        "subscribers": {},
        "envelope": "cloudevents",
        "image": "alpine",
        "publish_interval": "0.5",
        "queue_group": "all",
        "tasks": {},
        "extras": ["kv", "objects"],
        "deploy": ["kubernetes"],
    }


def test_one_line_makes_a_service_that_answers(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "service", "greeter", "--action", "greet", "--action", "leave", "--version", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith(f"Created the service greeter in {here}\n")
    assert (
        "    greet answers requests on v2.greeter.greet\n    leave answers requests on v2.greeter.leave\n"
        in captured.out
    )
    for name in ("greet", "leave"):
        assert (here / f"services/greeter/src/domain/actions/{name}_action.py").is_file()
        assert (here / f"services/greeter/tests/actions/test_{name}_action.py").is_file()
    assert list((here / "services/greeter/src/domain/handlers").glob("*_handler.py")) == []
    answers = stored_answers(here, "greeter")
    assert (answers["actions"], answers["handlers"]) == ({"greet": {"version": 2}, "leave": {"version": 2}}, {})
    assert (answers["bounded_context"], answers["description"]) == ("greeter", "Answers greet, leave")


@pytest.mark.parametrize("kind", ["worker", "service"])
def test_a_service_may_have_handlers_and_actions(kind: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["new", kind, "billing", "--action", "quote", "--subject", "orders.order.created"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert out.startswith("Created the worker billing in ")
    assert "    order_created handles orders.order.created with the durable billing-order_created\n" in out
    assert "    quote answers requests on v1.billing.quote\n" in out
    answers = stored_answers(here)
    assert (answers["bounded_context"], answers["description"]) == (
        "orders",
        "Handles orders.order.created; answers quote",
    )


def test_every_option_of_an_action_may_come_from_data(here: Path) -> None:
    actions = "actions={greet: {}, greet_v2: {action: greet, version: 2, queue: false, concurrency: 3, timeout: 0.5}}"
    assert main(["new", "service", "greeter", "--data", actions]) == 0
    source = (here / "services/greeter/src/domain/actions/greet_v2_action.py").read_text()
    assert '@action("greet", version=2, queue=False, concurrency=3, timeout=0.5)\nasync def greet_v2(' in source


def test_all_may_come_from_a_data_file(here: Path) -> None:
    (here / "a.json").write_text(json.dumps({"service_name": "audit", "handlers": {"seen": "orders.>"}}))
    assert main(["new", "worker", "--data-file", "a.json", "--no-input"]) == 0
    assert stored_answers(here, "audit")["handlers"] == {"seen": "orders.>"}


def test_with_json_there_is_one_document_and_nothing_else(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORKER, "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert captured.err == ""
    assert (document["service"], document["workspace"], document["dry_run"]) == ("billing", str(here), False)
    assert document["created"] == [str(path) for path in tree.read(here)]
    assert document["answers"]["handlers"] == {"order_created": "orders.order.created"}
    assert len(document["next"]) == 3


def test_the_diff_of_a_dry_run_applied_is_what_the_command_makes(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORKER, "--dry-run"]) == 0
    assert list(here.iterdir()) == []
    other = tmp_path / "other"
    other.mkdir()
    diff = capsys.readouterr().out.encode()
    subprocess.run(["git", "apply", "-"], cwd=other, input=diff, check=True)
    assert main(WORKER) == 0
    assert tree.read(other) == tree.read(here)


def test_a_dry_run_with_json_has_the_diff_in_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORKER, "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["dry_run"]
    assert document["diff"].startswith("diff --git ")


def test_an_existing_service_is_refused_and_stays_as_it_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(WORKER)
    (here / "services/billing/README.md").write_text("edited")
    before = tree.read(here)
    capsys.readouterr()
    for option in ([], ["--dry-run"]):
        assert main([*WORKER, *option, "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["error"]["type"] == "ConflictError"
    assert tree.read(here) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Billing Service"], "try 'billing-service'"),
        (["billing", "--subject", "orders created"], "--subject: invalid subject 'orders created'"),
        (["billing", "--subject", ">"], "--subject: invalid subject '>'"),
        (["billing", "--subject", "a.b", "--subject", "a.b"], "given twice"),
        (["billing", "--action", "say hello"], "--action: invalid action name 'say hello'"),
        (["billing", "--action", "a", "--action", "a"], "given twice"),
        (["billing", "--action", "a", "--version", "two"], "--version: invalid version 'two'"),
        (["billing", "--version", "2"], "--version requires --action"),
        (["billing", "--data", "actions={greet: 2}"], "or write {greet: {version: 1}}"),
        (["billing", "--data", "actions={greet: {verison: 2}}"], "did you mean 'version'?"),
        (
            ["billing", "--data", "actions={a: {action: b}, b: {}}"],
            "--data: the actions 'a' and 'b' both answer b",
        ),
        (["billing", "--dedup", "redsi"], "did you mean 'redis'?"),
        (["billing", "--python", "2.7"], "--python: invalid value '2.7' (choose 3.11, 3.12, 3.13, 3.14)"),
        (["billing", "--context", "Sales"], "--context: invalid bounded context 'Sales'"),
        (["billing", "--description", "a\nb"], "--description: "),
        (["billing", "--description", "x" * 10_000], "--description: the description has 10000 characters"),
        (["billing", "--network", "../x"], "--network: invalid Docker network '../x'"),
        (["billing", "--registry", "https://x"], "--registry: invalid registry 'https://x'"),
        (["billing", "--data", "labels={Team: x}"], "--data: invalid label 'Team'"),
        (["billing", "--data", "labels={team: 1}"], "put them in quotes"),
        (["billing", "--data", "dedupe=none"], "did you mean 'dedup'?"),
        (["billing", "--data", "x"], "use KEY=VALUE"),
        (["billing", "--data-file", "missing.yml"], "--data-file missing.yml: No such file"),
        (["billing", "--workspace", "/dev/null"], "--workspace: /dev/null is not a folder"),
        (["../billing"], "invalid service name"),
        (["x" * 10_000], "invalid service name"),
    ],
)
def test_every_bad_argument_is_one_line_and_exit_code_2(
    here: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    subject = [] if "--subject" in arguments else ["--subject", "a.b"]
    assert main(["new", "worker", *arguments, *subject, "--no-input"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("natsgen: ")
    assert message in line
    assert len(line) < 400
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["worker"], "NAME and --subject"),
        (["worker", "--subject", "a.b"], "NAME"),
        (["worker", "--action", "greet"], "NAME"),
        (["worker", "billing"], "--subject"),
        (["worker", "billing", "--no-input"], "--subject"),
        (["worker", "billing", "--data", "handlers={}"], "--subject"),
        (["service"], "NAME and --action"),
        (["service", "greeter"], "--action"),
        (["service", "greeter", "--subject", "a.b"], "--action"),
    ],
)
def test_what_is_missing_without_a_terminal_is_an_error_that_names_it(
    arguments: list[str], missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"natsgen: missing {missing}: ")


def test_a_folder_that_may_not_be_written_is_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORKER, "--workspace", "/proc/shop"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "/proc/shop" in line


def test_a_symlink_out_of_the_workspace_is_refused(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "outside").mkdir()
    (here / "services").symlink_to(tmp_path / "outside")
    assert main(WORKER) == 1
    assert "outside the workspace" in capsys.readouterr().err
    assert list((tmp_path / "outside").iterdir()) == []


def test_an_interrupted_command_is_finished_by_the_next(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    area = state.area(Workspace(here))
    area.create()
    (area.staged / "services/audit").mkdir(parents=True)
    (area.staged / "services/audit/x").touch()
    move = {"path": "services", "leaves": False, "digests": {"audit/x": hashes.digest_of(b"")}}
    area.journal.write_text(json.dumps({"title": "new worker audit", "moves": [move]}))
    assert main(WORKER) == 0
    assert capsys.readouterr().err == "finished an interrupted command: new worker audit\n"
    assert sorted(path.name for path in here.iterdir()) == ["compose", "services"]
    assert sorted(path.name for path in (here / "services").iterdir()) == ["audit", "billing"]


def test_two_processes_for_one_name_make_it_once(here: Path, natsgen_process: Run) -> None:
    with ThreadPoolExecutor() as pool:
        processes = list(pool.map(lambda _: natsgen_process(*WORKER, cwd=here), range(2)))
    assert sorted(process.returncode for process in processes) == [0, 1]
    assert "exists already" in "".join(process.stderr for process in processes)


@pytest.mark.parametrize("folder", ["plain", "it's a $(shop)", "-dash"])
@pytest.mark.parametrize("start", [".", "services/billing/src", ".."])
def test_the_commands_to_type_next_work_from_where_the_person_is(
    tmp_path: Path, folder: str, start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / folder
    (root / "services/billing/src").mkdir(parents=True)
    (root / "compose").mkdir()
    (root / "compose/billing.yml").touch()
    monkeypatch.chdir(root / start)
    install, test, run = next_commands(Workspace(root), "billing", Path.cwd())
    change_folder = install.split(" && ")[0].removeprefix("(")
    assert test.startswith(f"({change_folder} && .venv/bin/pytest")
    seen = subprocess.run(["sh", "-c", f"{change_folder} && pwd"], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == str(root / "services/billing")
    compose_file = shlex.split(run)[3]
    assert Path(compose_file).samefile(root / "compose/billing.yml")


def on_a_terminal(arguments: list[str], typed: str, environment: dict[str, str], **streams: Any) -> tuple[int, str]:
    """Runs natsgen with a terminal as its standard input and error; returns the exit code and what the terminal saw."""
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "natsgen", *arguments], env=environment, stdin=theirs, stderr=theirs, **streams
    )
    os.close(theirs)
    os.write(mine, typed.encode())
    seen = b""
    while chunk := _read_terminal(mine):
        seen += chunk
    os.close(mine)
    return process.wait(timeout=30), seen.decode()


def _read_terminal(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # a terminal ends with an error instead of with nothing
        return b""


def test_on_a_terminal_what_is_missing_is_asked_with_a_reason_and_a_default(
    here: Path, environment: dict[str, str]
) -> None:
    code, seen = on_a_terminal(["new", "worker"], "Bad Name\nshipping\n\n", environment, stdout=subprocess.DEVNULL)
    assert code == 0
    assert "Name of the service [billing]" in seen
    assert "try 'bad-name'" in seen
    assert "Subject [orders.order.created]" in seen
    assert stored_answers(here, "shipping")["handlers"] == {"order_created": "orders.order.created"}


def test_the_name_that_is_proposed_comes_from_the_subject(here: Path, environment: dict[str, str]) -> None:
    code, seen = on_a_terminal(["new", "worker", "--subject", "sales.x"], "\n", environment, stdout=subprocess.DEVNULL)
    assert (code, "[sales-worker]" in seen) == (0, True)


def test_several_subjects_may_be_typed_on_one_line(here: Path, environment: dict[str, str]) -> None:
    typed = "a.b a.b\na.b  c.d\n"
    code, seen = on_a_terminal(["new", "worker", "audit"], typed, environment, stdout=subprocess.DEVNULL)
    assert code == 0
    assert "given twice" in seen
    assert stored_answers(here, "audit")["handlers"] == {"a_b": "a.b", "c_d": "c.d"}


def test_the_actions_of_a_service_are_asked_for(here: Path, environment: dict[str, str]) -> None:
    typed = "\nsay hello import\ngreet leave\n"
    code, seen = on_a_terminal(["new", "service", "--version", "2"], typed, environment, stdout=subprocess.DEVNULL)
    assert code == 0
    assert "Name of the service [greeter]" in seen
    assert "Action [greet]" in seen
    assert "invalid action name 'import'" in seen
    assert stored_answers(here, "greeter")["actions"] == {"greet": {"version": 2}, "leave": {"version": 2}}


def test_the_framework_of_a_gateway_is_asked_for(here: Path, environment: dict[str, str]) -> None:
    code, seen = on_a_terminal(["new", "gateway"], "\nflask\nnone\ndjango\n", environment, stdout=subprocess.DEVNULL)
    assert code == 0
    assert "Name of the service [api]" in seen
    assert "Framework [fastapi]" in seen
    assert seen.count("(choose fastapi, django)") == 2
    assert stored_answers(here, "api")["framework"] == "django"


def test_the_subjects_of_a_publisher_and_a_subscriber_are_asked_for(here: Path, environment: dict[str, str]) -> None:
    command = ["new", "publisher", "--core"]
    code, seen = on_a_terminal(command, "\na.*\na.b c.d\n", environment, stdout=subprocess.DEVNULL)
    assert code == 0
    assert "Name of the service [beat]" in seen
    assert "without wildcards" in seen
    assert stored_answers(here, "beat")["publishers"] == {
        "a_b": {"subject": "a.b", "core": True},
        "c_d": {"subject": "c.d", "core": True},
    }
    code, seen = on_a_terminal(["new", "subscriber"], "\n\n", environment, stdout=subprocess.DEVNULL)
    assert code == 0
    assert stored_answers(here, "ear")["subscribers"] == {"events_test": "events.test"}


def test_ending_the_input_instead_of_answering_is_an_interruption(here: Path, environment: dict[str, str]) -> None:
    code, seen = on_a_terminal(["new", "worker"], "\x04", environment, stdout=subprocess.DEVNULL)
    assert code == 130
    assert "interrupted" in seen
    assert list(here.iterdir()) == []


def test_the_questions_do_not_mix_with_the_json_document(here: Path, environment: dict[str, str]) -> None:
    with (here / "out.json").open("w") as out:
        code, _ = on_a_terminal(["new", "worker", "--json"], "\n\n", environment, stdout=out)
    assert code == 0
    assert json.loads((here / "out.json").read_text())["service"] == "billing"


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_is_for_terminals_that_want_it(
    environment: dict[str, str], variables: dict[str, str], coloured: bool
) -> None:
    wanted = {**environment, "TERM": "xterm", **variables}
    wanted = wanted if "NO_COLOR" in variables else {k: v for k, v in wanted.items() if k != "NO_COLOR"}
    _, seen = on_a_terminal(["new", "worker", "X", "--no-input"], "", wanted)
    assert ("\x1b[" in seen) == coloured


def test_without_a_terminal_there_is_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    main(["new", "worker", "X", "--no-input"])
    assert "\x1b[" not in capsys.readouterr().err


GATEWAY = ["new", "gateway", "api", "--framework"]


@pytest.mark.parametrize("framework", ["fastapi", "django"])
def test_one_line_makes_a_gateway(framework: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    routes = ["--route", "POST /greet=v1.greeter.greet", "--route", "post /orders/{id}=publish:orders.order.created"]
    assert main([*GATEWAY, framework, *routes]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith(f"Created the gateway api in {here}\n")
    assert (
        "    greet answers POST /greet and calls v1.greeter.greet\n"
        "    order_created answers POST /orders/{id} and publishes to orders.order.created\n"
    ) in captured.out
    for name in ("greet", "order_created"):
        assert (here / f"services/api/src/web/routes/{name}_route.py").is_file()
        assert (here / f"services/api/tests/routes/test_{name}_route.py").is_file()
    answers = stored_answers(here, "api")
    assert (answers["framework"], answers["handlers"], answers["actions"]) == (framework, {}, {})
    assert answers["routes"] == {
        "greet": {"method": "POST", "path": "/greet", "call": "v1.greeter.greet"},
        "order_created": {"method": "POST", "path": "/orders/{id}", "publish": "orders.order.created"},
    }
    assert answers["description"] == "Serves POST /greet, POST /orders/{id}"


def test_a_gateway_may_do_all_that_a_service_does(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--action", "hi", "--subject", "orders.order.created", "--route", "GET /hi/{name}=v1.api.hi"]
    assert main([*GATEWAY, "django", *options, "--version", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["answers"]["routes"] == {"hi": {"method": "GET", "path": "/hi/{name}", "call": "v1.api.hi"}}
    assert main(["new", "service", "other", "--framework", "fastapi", *options]) == 0
    assert capsys.readouterr().out.startswith("Created the gateway other in ")


@pytest.mark.parametrize("kind", ["worker", "service", "gateway"])
def test_a_service_that_is_no_gateway_has_nothing_of_one(kind: str, here: Path) -> None:
    options = ["--framework", "fastapi"] if kind == "gateway" else ["--action", "greet"]
    assert main(["new", kind, "api", *options, "--subject", "a.b"]) == 0
    assert (here / "services/api/src/web").exists() == (kind == "gateway")
    assert (here / "services/api/tests/routes").exists() == (kind == "gateway")


def test_the_organisations_framework_is_for_its_gateways_only(here: Path) -> None:
    (here / "natsgen.toml").write_text('[defaults]\nframework = "django"\n')
    assert main(["new", "gateway", "api"]) == 0
    assert main(WORKER) == 0
    assert stored_answers(here, "api")["framework"] == "django"
    assert stored_answers(here)["framework"] == "none"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["new", "gateway", "api"],
            "missing --framework: use, for example, natsgen new gateway api --framework fastapi",
        ),
        ([*GATEWAY, "none"], "missing --framework: use, for example, natsgen new gateway api --framework fastapi"),
        (["new", "gateway"], "missing NAME and --framework"),
        ([*GATEWAY, "flask"], "--framework: invalid value 'flask' (choose none, fastapi, django)"),
        ([*GATEWAY, "djagno"], "did you mean 'django'?"),
        ([*GATEWAY, "django", "--route", "GET /a"], "--route: invalid route 'GET /a'"),
        (
            [*GATEWAY, "django", "--route", "GET /a=a.b", "--route", "GET /a=c.d"],
            "--route: the routes 'b' and 'd' both",
        ),
        ([*WORKER, "--route", "GET /a=a.b"], "--route: routes need a web framework; add --framework"),
        ([*WORKER, "--data", "routes={a: {}}"], "--data: the route 'a' needs a method, as text"),
    ],
)
def test_what_a_gateway_cannot_be_made_of_is_one_line(
    here: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--no-input"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert list(here.iterdir()) == []
