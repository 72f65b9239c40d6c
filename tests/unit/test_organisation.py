"""natsgen.toml: the organisation's defaults, checked against the template's questions."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from natsgen.answers import answers, questions, workspace_defaults
from natsgen.answers.given_answers import GivenAnswers
from natsgen.answers.questions import Question, Questionnaire
from natsgen.errors import InputError
from natsgen.rendering import template_source

ASKED = questions.read(template_source.bundled().folder)
MINIMUM = GivenAnswers.of({"service_name": "billing", "handlers": {"order_created": "orders.order.created"}}, {})


def read(folder: Path, content: str) -> GivenAnswers:
    (folder / "natsgen.toml").write_text(content)
    return workspace_defaults.read(folder, ASKED)


def uncommented(document: str, keys: list[str]) -> str:
    wanted = tuple(f"# {key} = " for key in keys)
    return "\n".join(line.removeprefix("# ") if line.startswith(wanted) else line for line in document.split("\n"))


@pytest.mark.parametrize("content", ["", "# nothing", "[defaults]"])
def test_a_file_that_says_nothing_gives_nothing(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) == GivenAnswers.of({}, {})


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    assert workspace_defaults.read(tmp_path, ASKED) == GivenAnswers.of({}, {})


def test_keys_are_the_questions_or_the_names_of_their_options(tmp_path: Path) -> None:
    content = '[defaults]\ncontext = "sales"\npython_version = 3.12\nlabels = { team = "payments" }\nregistry = "r"\n'
    found = read(tmp_path, content)
    assert found.values == {
        "bounded_context": "sales",
        "python_version": "3.12",
        "labels": {"team": "payments"},
        "registry": "r",
    }
    assert found.sources["bounded_context"] == f"{tmp_path / 'natsgen.toml'}: [defaults] context"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '[defaults]\npyton = "3.12"',
            r"\[defaults\]: unknown key 'pyton'; did you mean 'python'\? \(available: framework, ",
        ),
        ('[defaults]\nnetwrok = "x"', "did you mean 'network'"),
        ('[default]\npython = "3.12"', r"unknown key 'default'; did you mean 'defaults'\? \(available: template "),
        ('python = "3.12"', r"unknown key 'python'.*\[defaults\]"),
        ("defaults = 1", "must be a table"),
        ('tempalte = "x"', "unknown key 'tempalte'; did you mean 'template'"),
        ('[defaults]\npython = "2.7"', r"\[defaults\] python: invalid value '2.7'"),
        ('[defaults]\ndedup = "rediss"', "did you mean 'redis'"),
        ("[defaults]\nnetwork = true", "must be text, not yes or no"),
        ("[defaults]\nnetwork = 2024-01-01", "must be text"),
        ('[defaults]\nlabels = "x"', r"must be a mapping"),
        ("[defaults]\nlabels = { team = 1 }", "put them in quotes"),
        ('[defaults]\ncontext = "a"\nbounded_context = "b"', "set twice"),
        ('[defaults]\nservice_name = "x"', "for one service only"),
        ('[defaults]\ndescription = "x"', "for one service only"),
        ('[defaults.handlers]\nx = "a.b"', "for one service only"),
        ("[defaults.actions]\nx = {}", "for one service only"),
        ("[defaults.routes]\nx = {}", "for one service only"),
        ("[defaults.tasks]\nx = {}", "for one service only"),
        ('[defaults]\nframework = "flask"', r"framework: invalid value 'flask' \(choose none, fastapi, django\)"),
        ("[defaults]\nx = ", "is not valid TOML: .*line 2"),
        ("\n\n[defaults", "is not valid TOML: .*line 3"),
        ("x = " + "[" * 100_000, "is not valid TOML"),
    ],
)
def test_what_no_question_takes_is_one_error_that_names_the_file_and_the_key(
    tmp_path: Path, content: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, content)
    assert str(tmp_path / "natsgen.toml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_value_that_breaks_its_rule_is_refused_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"natsgen\.toml: \[defaults\] registry: invalid registry 'https://r'"):
        read(tmp_path, '[defaults]\nregistry = "https://r"')


def test_a_byte_order_mark_is_none_of_the_content(tmp_path: Path) -> None:
    assert read(tmp_path, '\ufeff[defaults]\ndedup = "redis"').values == {"dedup": "redis"}


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "natsgen.toml").mkdir()
    with pytest.raises(InputError, match="cannot be read: it is a folder"):
        workspace_defaults.read(tmp_path, ASKED)
    (tmp_path / "natsgen.toml").rmdir()
    (tmp_path / "natsgen.toml").write_bytes(b"\xff")
    with pytest.raises(InputError, match="is not valid TOML"):
        workspace_defaults.read(tmp_path, ASKED)


@pytest.mark.parametrize("content", ["template = 1", 'template = " "', "[template]"])
def test_a_template_that_is_no_text_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "natsgen.toml").write_text(content)
    with pytest.raises(InputError, match=r"natsgen\.toml: template must be text"):
        workspace_defaults.template(tmp_path)


def test_what_only_another_template_asks_is_left_out_where_that_is_meant(tmp_path: Path) -> None:
    (tmp_path / "natsgen.toml").write_text('template = "../team"\n[defaults]\npython = "3.12"\ncolour = "red"\n')
    assert workspace_defaults.template(tmp_path) == "../team"
    assert workspace_defaults.read(tmp_path, ASKED, strict=False).values == {"python_version": "3.12"}


def test_a_new_document_changes_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, workspace_defaults.new_document(ASKED, tmp_path)) == GivenAnswers.of({}, {})


def test_a_new_document_has_every_question_that_is_not_of_one_service(tmp_path: Path) -> None:
    document = workspace_defaults.new_document(ASKED, tmp_path)
    names = {key: alias for alias, key in workspace_defaults.ALIASES.items()}
    keys = [key for key in ASKED.questions if key not in workspace_defaults.OF_ONE_SERVICE]
    found = tomllib.loads(uncommented(document, [names.get(key, key) for key in keys]))["defaults"]
    assert list(found) == [names.get(key, key) for key in keys]


def test_the_defaults_in_a_new_document_are_those_of_the_template(tmp_path: Path) -> None:
    document = workspace_defaults.new_document(ASKED, tmp_path)
    names = {key: alias for alias, key in workspace_defaults.ALIASES.items()}
    of_all = (one for key, one in ASKED.questions.items() if key not in workspace_defaults.OF_ONE_SERVICE)
    fixed = [question.key for question in of_all if question.default is not None]
    said = read(tmp_path, uncommented(document, [names.get(key, key) for key in fixed]))
    plain = answers.complete(MINIMUM, ASKED, tmp_path)
    assert set(said.values) == set(fixed)
    assert answers.complete(said.over(MINIMUM), ASKED, tmp_path) == plain


def test_every_line_of_a_new_document_may_be_uncommented(tmp_path: Path) -> None:
    document = workspace_defaults.new_document(ASKED, tmp_path)
    keys = [*ASKED.questions, *workspace_defaults.ALIASES]
    read(tmp_path, uncommented(document, keys))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300),
)
def test_whatever_a_question_is_like_the_document_is_toml(tmp_path: Path, default: str, text: str) -> None:
    question = Question("network", False, (), default, help=" ".join(text.split()))
    asked = Questionnaire({"network": question}, ())
    document = workspace_defaults.new_document(asked, tmp_path)
    assert tomllib.loads(uncommented(document, ["network"]))["defaults"] == {"network": default}
