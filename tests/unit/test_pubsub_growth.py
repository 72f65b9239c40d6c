"""Publishers and subscribers come and go, and everything else stays as it is; as a person or a script says it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import natsgen
from natsgen.answers import answers, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.cli import main
from natsgen.files import tree
from natsgen.files.tree import Tree
from natsgen.parts.publishers import Publisher
from natsgen.parts.subscribers import Subscriber
from natsgen.rendering import render, template_source

TEMPLATE = template_source.bundled()
QUESTIONS = questions.read(TEMPLATE.folder)
NOUNS = ("publisher", "subscriber")
BEAT = GivenAnswers.of(
    {
        "service_name": "beat",
        "publishers": {"events_test": "events.test"},
        "subscribers": {"events_test": "events.test"},
    },
    {},
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    root = tmp_path_factory.mktemp("any") / "shop"
    return render.render(TEMPLATE, answers.complete(BEAT, QUESTIONS, root).as_data())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, made: Tree, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a workspace with the service beat, which publishes on a subject and hears it."""
    folder = tmp_path / "shop"
    for path, file in made.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(file.content)
    monkeypatch.chdir(folder)
    return folder


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_one_line_adds_a_publisher(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-publisher", "beat", "events.heart.beat", "--interval", "10"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out == (
        f"Added the publisher heart_beat to beat in {here}\n"
        "  services/beat/src/domain/publishers/heart_beat_publisher.py\n"
        "  services/beat/tests/publishers/test_heart_beat_publisher.py\n"
        "  it publishes to events.heart.beat every 10 s, with JetStream\n"
        "\n"
        "Next, from here:\n"
        "  test it:\n"
        "    (cd services/beat && .venv/bin/pytest tests/publishers/test_heart_beat_publisher.py)\n"
        "  run it; a service discovers its publishers when it starts:\n"
        "    docker compose -f compose/beat.yml up -d --build --wait\n"
    )


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["add-publisher", "beat", "a.b"], Publisher("a_b", "a.b")),
        (
            ["add-publisher", "beat", "a.b", "--name", "n" * 64, "--interval", "0.25", "--core"],
            Publisher("n" * 64, "a.b", 0.25, core=True),
        ),
        (
            ["add-publisher", "beat", "a" * 100 + ".b", "--name", "x", "--core"],
            Publisher("x", "a" * 100 + ".b", core=True),
        ),
        (["add-subscriber", "beat", "a.*"], Subscriber("a_any", "a.*")),
        (["add-subscriber", "beat", "a.>", "--queue-group", "g" * 128], Subscriber("a_all", "a.>", "g" * 128)),
        (["add-subscriber", "beat", "*.b", "--name", "n" * 64, "--queue-group", ""], Subscriber("n" * 64, "*.b", "")),
    ],
)
def test_what_is_added_is_byte_for_byte_what_a_new_service_would_have(
    here: Path, arguments: list[str], part: Publisher | Subscriber, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree.read(here)
    told = document(capsys, *arguments)
    after = tree.read(here)
    created = {Path(path) for path in told["created"]}
    assert {Path(path) for path in after} - {Path(path) for path in before} == created
    assert {path: after[path] for path in before} == before
    given = GivenAnswers.of({**BEAT.values, part.kind.question: {part.name: part.to_answer()}}, {})
    fresh = render.render(TEMPLATE, answers.complete(given, QUESTIONS, here).as_data())
    assert {path: file.content for path, file in after.items() if Path(path) in created} == {
        path: file.content for path, file in fresh.items() if Path(path) in created
    }


@pytest.mark.parametrize("noun", NOUNS)
def test_add_then_remove_leaves_nothing_behind(here: Path, noun: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree.read(here)
    assert main([f"add-{noun}", "beat", "a.b"]) == 0
    told = document(capsys, f"remove-{noun}", "beat", "a-b")
    assert (told[noun], told["subjects"]) == ("a_b", ["a.b"])
    assert tree.read(here) == before


@pytest.mark.parametrize("noun", NOUNS)
def test_the_diffs_of_dry_runs_applied_are_what_the_commands_do(
    here: Path, noun: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree.read(here)
    assert main([f"add-{noun}", "beat", "a.b", "--dry-run"]) == 0
    assert tree.read(here) == before
    subprocess.run(["git", "apply", "-"], input=capsys.readouterr().out.encode(), check=True)
    applied = tree.read(here)
    assert main([f"remove-{noun}", "beat", "a_b"]) == 0
    assert main([f"add-{noun}", "beat", "a.b"]) == 0
    assert tree.read(here) == applied


@pytest.mark.parametrize("noun", NOUNS)
def test_any_of_its_names_will_do(noun: str) -> None:
    prefix = {"publisher": "make", "subscriber": "hear"}[noun]
    for name in (f"events_test_{noun}.py", f"test_events_test_{noun}", f"{prefix}_events_test", "events-test"):
        assert main([f"remove-{noun}", "beat", name, "--dry-run"]) == 0, name


def test_the_last_part_goes_with_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove-publisher", "beat", "events_test"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["remove-subscriber", "beat", "events_test"]) == 0
    assert "beat is now empty and will not start" in capsys.readouterr().err


def test_another_of_the_same_subject_comes_with_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-subscriber", "beat", "events.test", "--name", "other"]) == 0
    assert "note: events_test (src/domain/subscribers/events_test_subscriber.py) also has the subject events.test" in (
        capsys.readouterr().err
    )


def test_the_list_has_both_and_the_portrait_what_is_published(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-publisher", "beat", "a.b", "--core", "--interval", "5"]) == 0
    assert main(["add-subscriber", "beat", "a.>", "--queue-group", "g"]) == 0
    capsys.readouterr()
    assert main(["list"]) == 0
    assert capsys.readouterr().out == (
        f"beat  service  v{natsgen.__version__}\n"
        "  a_b          a.b          publisher with core NATS, every 5 s\n"
        "  events_test  events.test  publisher\n"
        "  a_all        a.>          subscriber in the group g\n"
        "  events_test  events.test  subscriber\n"
    )
    (told,) = document(capsys, "list")["services"]
    assert [(one["name"], one["options"]) for one in told["publishers"]] == [
        ("a_b", {"core": "True", "every": "5"}),
        ("events_test", {}),
    ]
    shown = document(capsys, "show", "beat")
    assert shown["publishes"] == ["a.b", "events.test"]
    assert shown["changed"] == []


def test_the_list_takes_an_option_that_is_none_for_one_that_is_missing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for noun, option in (("publisher", "every"), ("subscriber", "queue")):
        file = here / f"services/beat/src/domain/{noun}s/events_test_{noun}.py"
        text = file.read_text()
        assert text.count('("events.test")') == 1
        file.write_text(text.replace('("events.test")', f'("events.test", {option}=None)'))
    assert main(["list"]) == 0
    assert capsys.readouterr().out == (
        f"beat  service  v{natsgen.__version__}\n"
        "  events_test  events.test  publisher\n"
        "  events_test  events.test  subscriber\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["add-publisher", "beta", "a.b"], 2, "did you mean 'beat'?"),
        (["add-publisher", "beat", "a.*"], 2, "SUBJECT: invalid subject for a publisher 'a.*'"),
        (["add-publisher", "beat", "a.b", "--interval", "soon"], 2, "--interval: invalid interval 'soon'"),
        (["add-publisher", "beat", "a.b", "--interval", "0"], 2, "--interval: invalid interval '0'"),
        (["add-publisher", "beat", "a.b", "--name", "tick"], 2, "--name: invalid publisher name 'tick'"),
        (["add-publisher", "beat", "events.test"], 1, "choose another name, such as --name events_test_2"),
        (["add-subscriber", "beat", ">"], 2, "SUBJECT: invalid subject for a subscriber '>': '>' matches everything"),
        (["add-subscriber", "beat", "a.b", "--queue-group", "a b"], 2, "--queue-group: invalid queue group 'a b'"),
        (["add-subscriber", "beat", "a.b", "--name", "../x"], 2, "--name: invalid subscriber name '../x'"),
        (["add-subscriber", "beat", "events.test"], 1, "events_test_subscriber.py exists already (events.test)"),
        (["remove-publisher", "beat", "event_test"], 2, "did you mean 'events_test'?"),
        (["remove-subscriber", "beat", "../../x"], 2, "has no subscriber"),
        (["new", "publisher", "x", "--no-input"], 2, "missing --subject: use, for example, natsgen new publisher beat"),
        (
            ["new", "subscriber", "--no-input"],
            2,
            "missing NAME and --subject: use, for example, natsgen new subscriber ear",
        ),
        (["new", "publisher", "x", "--subject", "a.>"], 2, "--subject: invalid subject for a publisher 'a.>'"),
        (["new", "publisher", "x", "--subject", "a.b", "--interval", "x"], 2, "--interval: invalid interval 'x'"),
        (
            ["new", "publisher", "x", "--subject", "a.b", "--subject", "a.b"],
            2,
            "--subject: the subject 'a.b' is given twice",
        ),
        (
            ["new", "publisher", "x", "--subject", "a.b", "--envelope", "x"],
            2,
            "--envelope: invalid value 'x' (choose domain, message",
        ),
        (
            ["new", "publisher", "x", "--subject", "a.b", "--image", "scratch"],
            2,
            "--image: invalid value 'scratch' (choose",
        ),
        (
            ["new", "subscriber", "x", "--subject", "a.b", "--queue-group", "a.b"],
            2,
            "--queue-group: invalid queue group 'a.b'",
        ),
        (["new", "worker", "x", "--data", "publishers={a: 1}"], 2, "--data"),
        (
            ["new", "subscriber", "x", "--subject", "a.>", "--subject", "*.b", "--queue-group", "g"],
            2,
            "--subject: the subscribers 'a_all' and 'any_b' are both in the queue group g",
        ),
    ],
)
def test_every_mistake_is_one_line_and_changes_nothing(
    here: Path, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree.read(here)
    assert main(arguments) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert tree.read(here) == before


def test_a_subscriber_that_would_take_anothers_messages_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["add-subscriber", "beat", "events.>", "--queue-group", "g"]) == 0
    assert main(["add-subscriber", "beat", "*.test", "--queue-group", "g"]) == 2
    assert "the subscribers 'events_all' and 'any_test' are both in the queue group g" in capsys.readouterr().err
    assert main(["add-subscriber", "beat", "*.test", "--queue-group", "h"]) == 0


def test_one_line_makes_a_publisher(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["new", "publisher", "pulse", "--subject", "events.pulse", "--interval", "0.5", "--core"]
    assert main([*command, "--envelope", "message"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Created the publisher pulse in {here}\n")
    assert "    events_pulse publishes to events.pulse, with core NATS\n" in out
    folder = here / "services/pulse"
    source = (folder / "src/domain/publishers/events_pulse_publisher.py").read_text()
    assert '@publishes("events.pulse", core=True)\n' in source
    assert "EnvelopeMessage.new(data, sequence=tick.sequence)" in source
    assert "publish_interval = 0.5\n" in (folder / "pyproject.toml").read_text()
    assert "      PUBLISH_INTERVAL: ${PUBLISH_INTERVAL:-0.5}\n" in (here / "compose/pulse.yml").read_text()


def test_one_line_makes_a_subscriber(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "subscriber", "ear", "--subject", "events.>", "--queue-group", "workers"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Created the subscriber ear in {here}\n")
    assert "    events_all subscribes to events.>\n" in out
    folder = here / "services/ear"
    assert '@listens("events.>")\n' in (folder / "src/domain/subscribers/events_all_subscriber.py").read_text()
    assert 'queue_group = "workers"\n' in (folder / "pyproject.toml").read_text()
    assert "      QUEUE_GROUP: ${QUEUE_GROUP:-workers}\n" in (here / "compose/ear.yml").read_text()
