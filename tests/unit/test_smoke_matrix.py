"""Which samples `natsgen smoke` makes: a pure function of the template's questions."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from natsgen.answers import answers, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.answers.questions import Question, Questionnaire
from natsgen.errors import InputError, TemplateError
from natsgen.parts.kinds import KINDS as PARTS
from natsgen.rendering import template_source
from natsgen.smoke import covering, matrix
from natsgen.smoke.matrix import KINDS, Sample, shapes

ASKED = questions.read(template_source.bundled().folder)


def forked(*more: Question) -> Questionnaire:
    """The template's questions and those of a fork."""
    return replace(ASKED, questions={**ASKED.questions, **{one.key: one for one in more}})


def levels(samples: tuple[Sample, ...]) -> set[tuple[str, str]]:
    return {item for sample in samples for item in sample.levels.items()}


def shows_nowhere(levels: dict[str, str]) -> bool:
    """Whether no service can have both levels so that they show: an inbox without handlers, for one."""
    varied = [
        kinds
        for key, kinds in matrix.SHOWS_IN.items()
        if key in levels and levels[key] not in (ASKED.questions[key].default, matrix.DEFAULT)
    ]
    there = [one for one in shapes(ASKED) if levels.get(matrix.SHAPE, one.name) == one.name]
    return not any(all(kinds & set(one.questions) for kinds in varied) for one in there)


def test_quick_has_every_choice_of_every_question_and_every_kind() -> None:
    made = matrix.samples(ASKED)
    choices = {(key, choice) for key, one in ASKED.questions.items() for choice in one.choices if key != "framework"}
    assert choices <= levels(made)
    assert {sample.kind for sample in made} == set(KINDS)
    assert {question for sample in made for question in sample.shape.questions} == set(PARTS)
    assert len(made) <= 8


@pytest.mark.parametrize("question", [question for question in PARTS if question != "routes"])
def test_quick_has_every_option_of_every_kind_of_part(question: str) -> None:
    options = {option.key for option in PARTS[question].options}
    entries = [entry for sample in matrix.samples(ASKED) for entry in sample.answers.get(question, {}).values()]
    assert {key for entry in entries if isinstance(entry, dict) for key in entry} == options


def test_an_answer_is_varied_where_it_shows() -> None:
    for sample in matrix.samples(ASKED, "full"):
        for key, kinds in matrix.SHOWS_IN.items():
            varied = sample.levels[key] not in (ASKED.questions[key].default, matrix.DEFAULT)
            assert not varied or kinds & set(sample.shape.questions), (sample.name, key)


def test_full_has_each_two_levels_together_that_can_be() -> None:
    made = matrix.samples(ASKED, "full")
    there = {pair for sample in made for pair in combinations(sorted(sample.levels.items()), 2)}
    wanted = {pair for pair in combinations(sorted(levels(made)), 2) if pair[0][0] != pair[1][0]}
    assert all(shows_nowhere(dict(pair)) for pair in wanted - there), wanted - there
    assert len(made) < 36


def test_the_samples_are_always_the_same() -> None:
    assert matrix.samples(ASKED, "full") == matrix.samples(questions.read(template_source.bundled().folder), "full")


@pytest.mark.parametrize("name", matrix.MATRICES)
def test_names_are_unique_and_every_answer_is_taken(name: str) -> None:
    made = matrix.samples(ASKED, name)
    assert len({sample.name for sample in made}) == len({sample.service for sample in made}) == len(made)
    for sample in made:
        complete = answers.complete(GivenAnswers.of(sample.answers, {}), ASKED, Path("/shop"))
        assert complete.kind == sample.kind


def test_a_forks_question_is_covered_by_its_default_and_its_choices() -> None:
    team = Question("team", False, ("payments", "logistics", "sales"), "logistics")
    audited = Question("audited", "switch", (), False)
    free = Question("cost_center", False, (), "none")
    made = matrix.samples(forked(team, audited, free))
    assert {("team", choice) for choice in team.choices} <= levels(made)
    assert {sample.answers["audited"] for sample in made} == {True, False}
    assert all("cost_center" not in sample.answers for sample in made), "its default is left to the template"
    assert made[0].answers["team"] == "logistics"


def test_the_answers_to_a_forks_questions_reach_the_template() -> None:
    team = Question("team", False, ("payments", "logistics"), "logistics")
    derived = Question("owner", False, (), None)
    asked = forked(team, derived)
    data = answers.complete(GivenAnswers.of(matrix.samples(asked)[0].answers, {}), asked, Path("/shop")).as_data()
    assert data["team"] == "logistics"
    assert "owner" not in data, "Copier derives it"
    assert "extra" not in data


def test_a_template_without_handlers_and_actions_is_none_that_can_be_smoked() -> None:
    with pytest.raises(TemplateError, match="neither handlers nor actions"):
        matrix.samples(Questionnaire({"service_name": ASKED.questions["service_name"]}, ()))


@pytest.mark.parametrize(("name", "kinds", "says"), [("qick", [], "--matrix"), ("quick", ["servce"], "did you mean")])
def test_what_is_mistyped_is_named(name: str, kinds: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        matrix.samples(ASKED, name, kinds)


def test_only_the_kinds_that_are_wanted_are_made() -> None:
    assert {sample.kind for sample in matrix.samples(ASKED, "full", ["service"])} == {"service"}


def test_rows_skip_what_cannot_be() -> None:
    factors: dict[str, tuple[Any, ...]] = {"a": (1, 2), "b": (1, 2), "c": (1, 2)}
    made = covering.rows(
        factors, covering.combinations_of(factors, 2), lambda row: not (row.get("a") == 2 and row.get("b") == 2)
    )
    assert not any(row["a"] == row["b"] == 2 for row in made)
    assert {(row["a"], row["c"]) for row in made} == {(1, 1), (1, 2), (2, 1), (2, 2)}


def test_two_levels_that_leave_no_third_are_in_no_row() -> None:
    factors: dict[str, tuple[Any, ...]] = {"a": (1, 2), "b": (1, 2), "c": (1, 2)}
    made = covering.rows(
        factors,
        covering.combinations_of(factors, 2),
        lambda row: "a" not in row or not (row["a"] == 2 == row.get("b") or (row["a"], row.get("c")) == (1, 2)),
    )
    assert not any(row["b"] == row["c"] == 2 for row in made)
    assert {(row["b"], row["c"]) for row in made} == {(1, 1), (1, 2), (2, 1)}
