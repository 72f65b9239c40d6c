"""What each rule makes of every text: it refuses it in one line, or takes what is harmless wherever it is written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import oracle
from tests.hostile.cases import DEFAULT, HANDLER, NEW, NEW_GATEWAY, NEW_SERVICE, SERVICE, SUBJECT, TAKEN, Case
from tests.hostile.checks import check_new
from tests.hostile.oracle import as_action, quoted
from tests.hostile.places import Place, make_place
from tests.hostile.rules import ALL, DERIVED, RULES
from tests.hostile.texts import ALONE, ENDS, FEW, PLAIN, REGISTRIES, SPACED, SUBJECTS, TEXTS, WORDS

DESCRIPTION_MAX, LABELS_MAX = 200, 50
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.mark.parametrize("name", RULES)
def test_a_rule_refuses_in_one_line_or_takes_what_is_harmless(name: str) -> None:
    rule = RULES[name]

    wrong = {ascii(text)[:80]: problem for text in ALL if (problem := rule.problem(text))}

    assert wrong == {}
    assert [one for one in rule.some if not rule.accepts(TEXTS[one])] == []


@pytest.mark.parametrize("name", DERIVED)
def test_what_is_derived_meets_the_rule_of_what_it_is(name: str) -> None:
    source, derive, target = DERIVED[name]
    texts = list(RULES[source].taken())

    wrong = {text: derived for text in texts if not RULES[target].accepts(derived := derive(text))}

    assert texts
    assert wrong == {}


@pytest.mark.parametrize("number", [0, 1, *(pytest.param(number, marks=pytest.mark.slow) for number in range(2, 8))])
def test_single_answers_that_the_rules_take_are_read_back(number: int, harmless: Place, tmp_path: Path) -> None:
    """Each text that a rule takes, several questions at a time, each eighth service here."""
    questions = {"service_name": "service", "bounded_context": "context", "workspace": "workspace"}
    questions |= {"network": "network", "registry": "registry", "queue_group": "queue group"}
    texts = list({**FEW, **ALONE, **SPACED, **WORDS, **ENDS, **REGISTRIES}.values())
    taken = {question: [text for text in texts if RULES[rule].accepts(text)] for question, rule in questions.items()}
    rounds = max(len(texts) for texts in taken.values())

    for turn in range(number, rounds, 8):
        said = {question: texts[turn % len(texts)] for question, texts in taken.items()}
        data = [f"--data={question}={text}" for question, text in said.items() if question != "service_name"]
        case = Case(str(turn), (*NEW, "--subject", SUBJECT, *data, "--", said["service_name"]), said, TAKEN)
        check_new(case, make_place(tmp_path / str(turn)), harmless)


@pytest.mark.parametrize("text", [*ALONE.values(), *SPACED.values()], ids=[*ALONE, *SPACED])
def test_a_description_alone_is_read_back(text: str, place: Place, harmless: Place) -> None:
    typed = {"description": text.strip(" ")}
    command = (*DEFAULT, f"--description={text}")
    check_new(Case("description", command, typed, TAKEN), place, harmless)


def test_every_text_is_read_back_as_a_description_and_a_label(harmless: Place, tmp_path: Path) -> None:
    descriptions = joined(list(PLAIN.values()))
    values = list(RULES["label's value"].taken())
    labels = [values[start : start + LABELS_MAX] for start in range(0, len(values), LABELS_MAX)]
    assert len(values) > len(PLAIN)

    for turn in range(max(len(descriptions), len(labels))):
        notes = {f"note{number}": text for number, text in enumerate(labels[turn % len(labels)])}
        flow = ", ".join(f"{key}: {quoted(text)}" for key, text in notes.items())
        said = {"description": descriptions[turn % len(descriptions)], "labels": notes}
        command = (*DEFAULT, f"--description={said['description']}")
        case = Case(str(turn), (*command, "--data", f"labels={{{flow}}}"), said, TAKEN)
        check_new(case, make_place(tmp_path / str(turn)), harmless)


def test_every_key_of_a_label_is_read_back(harmless: Place, tmp_path: Path) -> None:
    keys = list(RULES["label's key"].taken())
    for start in range(0, len(keys), LABELS_MAX):
        labels = dict.fromkeys(keys[start : start + LABELS_MAX], "x")
        flow = ", ".join(f"{quoted(key)}: x" for key in labels)
        case = Case("labels", (*DEFAULT, "--data", f"labels={{{flow}}}"), {"labels": labels}, TAKEN)
        check_new(case, make_place(tmp_path / str(start)), harmless)


def test_every_handler_is_read_back(place: Place, harmless: Place) -> None:
    check_parts("handlers", of_subjects("handler", "subject"), NEW, place, harmless)


def test_every_durable_is_read_back(place: Place, harmless: Place) -> None:
    durables = {
        f"h{number}": {"subject": "a.b", "durable": durable} for number, durable in enumerate(RULES["durable"].taken())
    }
    check_parts("handlers", durables, NEW, place, harmless)


def test_every_publisher_is_read_back(place: Place, harmless: Place) -> None:
    check_parts("publishers", of_subjects("publisher", "published"), DEFAULT, place, harmless)


def test_every_subscriber_is_read_back(place: Place, harmless: Place) -> None:
    groups = {
        f"g{number}": {"subject": f"{number}.a", "queue_group": group}
        for number, group in enumerate(RULES["queue group"].taken())
    }
    check_parts("subscribers", {**of_subjects("subscriber", "heard"), **groups}, DEFAULT, place, harmless)


def test_every_action_is_read_back(place: Place, harmless: Place) -> None:
    names = list(RULES["action"].taken())
    actions: dict[str, Any] = {name: {} for name in names}
    actions |= {f"a{number}": {"action": name, "version": 2} for number, name in enumerate(names)}
    check_parts("actions", actions, NEW_SERVICE, place, harmless)


def test_every_task_is_read_back(place: Place, harmless: Place) -> None:
    tasks = {name: {"queue": "emails"} for name in RULES["task"].taken()}
    tasks |= {f"t{number}": {"queue": queue} for number, queue in enumerate(RULES["queue"].taken())}
    check_parts("tasks", tasks, NEW, place, harmless)


@pytest.mark.parametrize("framework", ["fastapi", "django"])
def test_every_route_is_read_back(framework: str, place: Place, harmless: Place) -> None:
    routes = {
        name: {"method": "POST", "path": f"/named/{number}", "call": "a.b"}
        for number, name in enumerate(RULES["route"].taken())
    }
    of_a_shape: dict[str, int] = {}  # two that differ by the names of parameters only answer the same requests
    for number, path in enumerate(RULES["path"].taken()):
        shape = re.sub(r"{\w+}", "{}", path)
        same = of_a_shape[shape] = of_a_shape.get(shape, -1) + 1
        routes[f"p{number}"] = {"method": METHODS[same], "path": path, "publish": "a.b"}
    routes |= {
        f"s{number}": {"method": "POST", "path": f"/sent/{number}", "call": subject}
        for number, subject in enumerate(RULES["subject of a route"].taken())
    }
    check_parts("routes", routes, (*NEW_GATEWAY, f"--framework={framework}"), place, harmless)


def test_every_subject_is_taken_by_the_option_under_names_of_their_own(place: Place) -> None:
    subjects = list(dict.fromkeys(RULES["subject"].taken()))

    ran = place.run(*NEW, SERVICE, *(f"--subject={subject}" for subject in subjects))

    assert ran.code == 0, ran.err
    found = oracle.handlers(place.workspace / "services" / SERVICE)
    assert sorted(one["subject"] for one in found.values()) == sorted(subjects)


def test_every_subject_is_added_or_wants_another_name(with_service: Place) -> None:
    added = []
    for subject in filter(RULES["subject"].accepts, {**FEW, **SUBJECTS}.values()):
        ran = with_service.run("add-handler", "--no-input", "--", SERVICE, subject)
        if ran.code == 0:
            added.append(subject)
        else:  # its name is another's: a person has to choose
            oracle.check_refused(ran)
            assert "choose another name" in ran.err

    oracle.check_tree(with_service.workspace)
    found = oracle.handlers(with_service.workspace / "services" / SERVICE)
    found.pop(HANDLER)
    assert sorted(one["subject"] for one in found.values()) == sorted(added)
    assert len(added) > 10


def of_subjects(name: str, subject: str) -> dict[str, Any]:
    """Parts with each name that a rule takes, and parts with each subject."""
    parts: dict[str, Any] = {part: {"subject": f"{number}.a"} for number, part in enumerate(RULES[name].taken())}
    subjects = dict.fromkeys(RULES[subject].taken())
    return {**parts, **{f"s{number}": {"subject": text} for number, text in enumerate(subjects)}}


def check_parts(question: str, parts: dict[str, Any], command: tuple[str, ...], place: Place, harmless: Place) -> None:
    """Makes a service with all these parts, and reads them back."""
    service = () if SERVICE in command else (SERVICE,)
    typed = {name: as_action(name, entry) for name, entry in parts.items()} if question == "actions" else parts
    assert len(parts) > 3
    data = f"{question}={json.dumps(parts)}"
    check_new(Case(question, (*command, *service, "--data", data), {question: typed}, TAKEN), place, harmless)


def joined(texts: list[str]) -> list[str]:
    """The texts, as many of them in one as a description takes."""
    lines = [""]
    for text in texts:
        longer = f"{lines[-1]} | {text}" if lines[-1] else text
        if len(longer.strip(" ")) <= DESCRIPTION_MAX:
            lines[-1] = longer
        else:
            lines.append(text)
    return [line.strip(" ") for line in lines]
