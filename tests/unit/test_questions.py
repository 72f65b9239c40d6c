from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from natsgen.answers import questions
from natsgen.errors import InputError, TemplateError
from natsgen.rendering.template_source import TemplateSource


def test_keys_choices_and_fixed_defaults_come_from_copier_yml(template: TemplateSource) -> None:
    found = questions.read(template.folder)
    assert list(found.questions) == ["service_name", "handlers", "description", "dedup"]
    assert found.questions["dedup"] == questions.Question(
        "dedup", "text", ("none", "redis"), "none", meanings={"none": "no inbox", "redis": "Redis"}
    )
    assert found.questions["handlers"].kind == "mapping"
    assert found.questions["description"].default is None


def test_files_that_are_written_once_come_from_copier_yml(template: TemplateSource) -> None:
    found = questions.read(template.folder)
    assert found.is_written_once(PurePosixPath("compose/shared.yml"))
    assert not found.is_written_once(PurePosixPath("compose/billing.yml"))


def test_a_pattern_without_a_folder_is_meant_anywhere_as_copier_takes_it(tmp_path: Path) -> None:
    (tmp_path / "copier.yml").write_text("_skip_if_exists: [shared.yml]\nservice_name: {type: str}\n")
    assert questions.read(tmp_path).is_written_once(PurePosixPath("compose/shared.yml"))


@pytest.mark.parametrize(
    ("question", "typed", "answer"),
    [
        ("ports: {type: yaml, default: [80]}", "[80, 443]", [80, 443]),
        ("ports: {type: json, default: {a: 1}}", '{"a": [2]}', {"a": [2]}),
        ("colours: {type: str, multiselect: true, choices: [red, blue], default: [red]}", "[blue]", ["blue"]),
        ("replicas: {type: int, default: 3}", "5", 5),
        ("ratio: {type: float, default: 0.5}", "0.25", 0.25),
    ],
)
def test_an_answer_has_the_type_that_a_teams_template_asks_for(
    tmp_path: Path, question: str, typed: str, answer: object
) -> None:
    (tmp_path / "copier.yml").write_text(f"{question}\n")
    (asked,) = questions.read(tmp_path).questions.values()
    assert asked.check(asked.default, "f") == asked.default
    assert asked.parse(typed, "--data") == asked.check(answer, "f") == answer


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("colours: {type: str, multiselect: true, choices: [red, blue]}", ["green"]),
        ("replicas: {type: int, default: 3}", "three"),
    ],
)
def test_an_answer_of_another_type_than_a_teams_template_asks_for_is_refused(
    tmp_path: Path, question: str, value: object
) -> None:
    (tmp_path / "copier.yml").write_text(f"{question}\n")
    (asked,) = questions.read(tmp_path).questions.values()
    with pytest.raises(InputError, match="--data: "):
        asked.check(value, "--data")


def test_an_unknown_key_is_refused_with_the_nearest_and_all_there_are(template: TemplateSource) -> None:
    with pytest.raises(InputError, match=r"--data: .*'dedupe'; did you mean 'dedup'\? \(available: service_name, "):
        questions.read(template.folder).question("dedupe", "--data")


def test_a_value_outside_the_choices_is_refused_with_the_nearest(template: TemplateSource) -> None:
    with pytest.raises(InputError, match=r"invalid value 'rediss' \(choose none, redis\); did you mean 'redis'\?"):
        questions.read(template.folder).question("dedup", "--dedup").check("rediss", "--dedup")


@pytest.mark.parametrize("value", [None, True, [], {}, ["redis"]])
def test_what_is_not_text_is_refused_where_text_is_taken(template: TemplateSource, value: Any) -> None:
    with pytest.raises(InputError, match="must be text"):
        questions.read(template.folder).question("description", "f").check(value, "f")


def test_a_number_is_text_because_yaml_reads_3_13_as_one() -> None:
    question = questions.Question("python_version", "text", ("3.12", "3.13"), "3.13")
    assert question.check(3.13, "f") == "3.13"


@pytest.mark.parametrize("value", [None, {}, [], "orders.order.created", {"x": 1}, {1: "a.b"}, {"x": None}])
def test_what_is_no_mapping_of_text_is_refused_where_one_is_taken(template: TemplateSource, value: Any) -> None:
    with pytest.raises(InputError, match="handlers"):
        questions.read(template.folder).question("handlers", "f").check(value, "f")


def test_a_mapping_on_the_command_line_is_yaml(template: TemplateSource) -> None:
    question = questions.read(template.folder).question("handlers", "--data")
    assert question.parse("{made: a.b}", "--data") == {"made": "a.b"}
    with pytest.raises(InputError, match="is not valid YAML"):
        question.parse("{made: ", "--data")


@pytest.mark.parametrize("content", [None, "[]", "{", "x: {choices: 3}"])
def test_a_template_without_readable_questions_is_an_error(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "copier.yml").write_text(content)
    with pytest.raises(TemplateError, match="reinstall natsgen"):
        questions.read(tmp_path)


def test_the_questions_of_a_teams_template_may_be_short_as_copier_takes_them(tmp_path: Path) -> None:
    (tmp_path / "copier.yaml").write_text("colour: red\nsize: {default: 3, choices: [3, 4]}\nloud: false\n")
    found = questions.read(tmp_path).questions
    assert (found["colour"].default, found["size"].choices, found["loud"].kind) == ("red", ("3", "4"), "switch")
