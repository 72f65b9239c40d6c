from __future__ import annotations

from pathlib import Path

import pytest

from natsgen.answers import answers, given_answers, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.answers.questions import Questionnaire
from natsgen.errors import InputError
from natsgen.parts import handlers, routes
from natsgen.parts.handlers import Handler
from natsgen.rendering import template_source

WORKSPACE = Path("/srv/My Shop")
MINIMUM = GivenAnswers.of({"service_name": "billing", "handlers": {"order_created": "orders.order.created"}}, {})
GREET = {"method": "POST", "path": "/greet", "call": "v1.greeter.greet"}


@pytest.fixture(scope="module")
def asked() -> Questionnaire:
    return questions.read(template_source.bundled().folder)


def test_a_handler_may_be_its_subject_or_a_mapping_of_options(asked: Questionnaire) -> None:
    handlers = {"paid": {"subject": "sales.paid", "durable": "d", "concurrency": 4, "batch": True}, "x": "a.b"}
    found = answers.complete(GivenAnswers.of({"service_name": "billing", "handlers": handlers}, {}), asked, WORKSPACE)
    assert found.as_data()["handlers"] == handlers
    assert (found.values["bounded_context"], found.values["description"]) == ("sales", "Handles sales.paid, a.b")


def test_what_nobody_gives_is_derived_or_default(asked: Questionnaire) -> None:
    found = answers.complete(MINIMUM, asked, WORKSPACE)
    derived = {"bounded_context": "orders", "description": "Handles orders.order.created", "workspace": "my-shop"}
    default = {"python_version": "3.13", "dedup": "none", "network": "", "labels": {}, "extras": []}
    assert {key: found.values[key] for key in {**derived, **default}} == {**derived, **default}
    assert found.parts["handlers"] == (Handler("order_created", "orders.order.created"),)
    assert set(found.as_data()) == set(asked.questions)


def test_without_handlers_the_context_is_the_services_name(asked: Questionnaire) -> None:
    given = GivenAnswers.of(
        {"service_name": "greeter", "actions": {"greet": {}, "greet_v2": {"action": "greet", "version": 2}}}, {}
    )
    found = answers.complete(given, asked, WORKSPACE)
    assert (found.kind, found.values["bounded_context"]) == ("service", "greeter")
    assert found.values["description"] == "Answers greet"


@pytest.mark.parametrize(
    ("values", "description"),
    [
        ({}, "HTTP gateway"),
        ({"routes": {"greet": GREET}}, "Serves POST /greet"),
        ({"routes": {"greet": GREET}, "handlers": {"x": "a.b"}}, "Handles a.b; serves POST /greet"),
    ],
)
def test_a_framework_makes_a_gateway(asked: Questionnaire, values: dict[str, object], description: str) -> None:
    for framework in answers.FRAMEWORKS:
        given = GivenAnswers.of({"service_name": "api", "framework": framework, **values}, {})
        found = answers.complete(given, asked, WORKSPACE)
        assert (found.kind, found.values["framework"], found.values["description"]) == (
            "gateway",
            framework,
            description,
        )


def test_the_frameworks_are_those_that_the_template_offers(asked: Questionnaire) -> None:
    assert asked.questions["framework"].choices == (answers.NO_FRAMEWORK, *answers.FRAMEWORKS)


def test_an_option_that_cannot_be_read_is_refused_and_one_that_is_not_there_says_nothing() -> None:
    with pytest.raises(InputError, match=r"^--route: invalid route 'x'"):
        given_answers.from_texts("--route", routes.from_texts, ["x"])
    assert given_answers.from_texts("--route", routes.from_texts, []).values == {}


def test_without_handlers_and_actions_there_is_no_service(asked: Questionnaire) -> None:
    with pytest.raises(InputError, match="billing would be empty"):
        answers.complete(GivenAnswers.of({"service_name": "billing", "handlers": {}}, {}), asked, WORKSPACE)


def test_a_flag_goes_before_data_and_data_before_the_file(asked: Questionnaire, tmp_path: Path) -> None:
    file = tmp_path / "answers.yml"
    file.write_text("dedup: redis\ndescription: from the file\nworkspace: from-file\npython_version: 3.11\n")
    given = (
        given_answers.from_flags({"dedup": "nats-kv", "network": None}, asked)
        .over(given_answers.from_pairs(["dedup=none", "description=from data"], asked))
        .over(given_answers.from_file(file, asked))
    )
    found = answers.complete(given.over(MINIMUM), asked, WORKSPACE)
    assert (found.values["dedup"], found.values["description"], found.values["workspace"]) == (
        "nats-kv",
        "from data",
        "from-file",
    )
    assert (found.values["python_version"], found.values["network"]) == ("3.11", "")


def test_subjects_on_the_command_line_go_before_handlers_in_the_file(asked: Questionnaire, tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_text('{\n\t"handlers": {"paid": "orders.order.paid"}}')
    from_file = given_answers.from_file(file, asked)
    assert from_file.parts("handlers") == (Handler("paid", "orders.order.paid"),)
    typed = given_answers.from_texts("--subject", handlers.from_subjects, ["a.b"])
    assert typed.over(from_file).parts("handlers") == (Handler("a_b", "a.b"),)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"service_name": "Billing"}, "answers.yml: invalid service name 'Billing'"),
        ({"handlers": {"OrderCreated": "a.b"}}, "answers.yml: invalid handler name 'OrderCreated'"),
        ({"handlers": {"created": "dlq.b"}}, "answers.yml: invalid subject 'dlq.b'"),
        ({"bounded_context": "Orders"}, "answers.yml: invalid bounded context 'Orders'"),
        ({"description": "a\nb"}, "answers.yml: the description"),
        ({"workspace": "../x"}, "answers.yml: invalid workspace name '../x'"),
        (
            {"handlers": {"x": {"subject": "a.b", "durabel": "y"}}},
            "answers.yml: the handler 'x' has no option 'durabel'",
        ),
        ({"handlers": {"x": {"subject": "a.b", "durable": "y z"}}}, "answers.yml: invalid durable 'y z'"),
        ({"handlers": {"x": {"subject": "a.b", "concurrency": 0}}}, "answers.yml: invalid concurrency '0'"),
        ({"handlers": {"x": {"subject": "a.b", "batch": "yes"}}}, "answers.yml: invalid batch 'yes': use true"),
        ({"handlers": {"x": {"durable": "y"}}}, "answers.yml: the handler 'x' needs a subject"),
        ({"actions": {"Greet": {}}}, "answers.yml: invalid action name 'Greet'"),
        ({"actions": {"greet": "1"}}, "answers.yml: the action 'greet' must be a mapping"),
        ({"actions": {"greet": {"timeout": -1}}}, "answers.yml: invalid time limit '-1'"),
        ({"actions": {"a": {"action": "b"}, "b": {}}}, "answers.yml: the actions 'a' and 'b' both answer b"),
        ({"routes": {"Greet": GREET}, "framework": "django"}, "answers.yml: invalid route name 'Greet'"),
        (
            {"routes": {"greet": "GET /a=a.b"}, "framework": "django"},
            "answers.yml: the route 'greet' must be a mapping",
        ),
        (
            {"routes": {"a": GREET, "b": GREET}, "framework": "django"},
            "answers.yml: the routes 'a' and 'b' both answer",
        ),
        ({"routes": {"greet": GREET}}, "answers.yml: routes need a web framework"),
        ({"routes": {"greet": GREET}, "framework": "none"}, "answers.yml: routes need a web framework"),
        ({"registry": "https://registry"}, "answers.yml: invalid registry 'https://registry'"),
        ({"labels": {"Team": "x"}}, "answers.yml: invalid label 'Team'"),
        ({"labels": {"team": "a\nb"}}, "answers.yml: invalid value of the label 'team': use one line"),
        ({"network": "a b"}, "answers.yml: invalid Docker network 'a b'"),
    ],
)
def test_an_answer_that_breaks_its_rule_is_refused_with_where_it_comes_from(
    asked: Questionnaire, values: dict[str, object], message: str
) -> None:
    def complete() -> None:
        answers.complete(GivenAnswers.of(values, dict.fromkeys(values, "answers.yml")).over(MINIMUM), asked, WORKSPACE)

    with pytest.raises(InputError) as caught:
        complete()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("pair", ["dedup", "=x", "_src_path=/etc", "dedupe=none", "handlers=x", "dedup=x", ""])
def test_data_that_answers_no_question_is_refused(asked: Questionnaire, pair: str) -> None:
    with pytest.raises(InputError, match=r"^--data( \w+)?: "):
        given_answers.from_pairs([pair], asked)


def test_a_value_of_data_may_hold_an_equals_sign(asked: Questionnaire) -> None:
    assert given_answers.from_pairs(["description=a=b"], asked).values == {"description": "a=b"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yml", b"{"),
        ("a.yml", b"- dedup"),
        ("a.yml", b""),
        ("a.yml", b"\xff\xfe\x00"),
        ("a.yml", b"!!python/object/apply:os.system [id]"),
        ("a.yml", b"[" * 5000),
        ("a.yml", b"1: 2"),
        ("a.yml", b"? [a]\n: b"),
        ("a.yml", b"description: 2024-01-01"),
        ("a.json", b"{"),
        ("a.json", b"[]"),
        ("a.json", b'{"subject": "a.b"}'),
    ],
)
def test_a_data_file_that_is_no_mapping_of_answers_is_refused(
    asked: Questionnaire, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"^--data-file {tmp_path / name}: "):
        given_answers.from_file(tmp_path / name, asked)


def test_a_data_file_that_cannot_be_read_is_refused(asked: Questionnaire, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        given_answers.from_file(tmp_path / "missing.yml", asked)
    with pytest.raises(InputError, match="Is a directory"):
        given_answers.from_file(tmp_path, asked)


def test_a_teams_question_may_be_called_extra(tmp_path: Path) -> None:
    (tmp_path / "copier.yml").write_text("service_name: {type: str}\nextra: {type: str, default: more}\n")
    found = answers.complete(GivenAnswers.of({"service_name": "billing"}, {}), questions.read(tmp_path), WORKSPACE)
    assert found.as_data()["extra"] == "more"


@pytest.mark.parametrize(
    ("parts", "description"),
    [
        ({"handlers": {"x": "a.b", "y": "c.d"}}, "Handles a.b, c.d"),
        ({"actions": {"greet": {}, "leave": {}}}, "Answers greet, leave"),
        (
            {"routes": {"greet": GREET}, "handlers": {"x": "a.b"}, "actions": {"hi": {}}, "framework": "django"},
            "Handles a.b; answers hi; serves POST /greet",
        ),
        ({"publishers": {"x": "a.b"}, "subscribers": {"y": "c.d"}}, "Publishes a.b; subscribes to c.d"),
        ({"tasks": {"x": {"queue": "a"}, "y": {"queue": "a"}, "z": {"queue": "b"}}}, "Processes a, b"),
        ({"handlers": {"x": "a" * 200}, "tasks": {"y": {"queue": "b"}}}, "Handles 1 subject; processes 1 queue"),
    ],
)
def test_a_service_is_described_by_what_it_does(
    asked: Questionnaire, parts: dict[str, object], description: str
) -> None:
    given = GivenAnswers.of({"service_name": "billing", **parts})
    assert answers.complete(given, asked, WORKSPACE).values["description"] == description
