"""What is read of actions from a service's source, whatever a person wrote there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from natsgen.errors import InputError
from natsgen.parts.actions import ACTIONS, Action, FoundAction

PLAIN = '@action("greet")\nasync def greet(request): ...\n'


@pytest.fixture
def service(tmp_path: Path) -> Path:
    (tmp_path / "src/domain/actions").mkdir(parents=True)
    return tmp_path


def write(service: Path, name: str, source: str) -> None:
    (service / "src/domain/actions" / name).write_text(source)


def found_in(source: str) -> FoundAction:
    (action,) = FoundAction.all_in(ast.parse(source))
    return action


@pytest.mark.parametrize(
    "source",
    [
        PLAIN,
        PLAIN.replace('("', '(name="'),
        PLAIN.replace("@action", "@requests.action"),
        PLAIN.replace("@action", "from x import action as answers\n@answers"),
        f"import nothing.at.all\n{PLAIN}\n1 / 0",
        PLAIN.replace('")', '", subject=None)'),
        PLAIN.replace('")', '", version=1)'),
    ],
)
def test_an_action_is_found_however_it_is_written(source: str) -> None:
    found = found_in(source)
    assert (found.name, found.about("greeter").literal, found.is_for_all) == ("greet", "v1.greeter.greet", False)


@pytest.mark.parametrize(
    ("options", "subject", "is_text"),
    [
        ("version=2", "v2.greeter.greet", True),
        ("version=VERSION", "v{VERSION}.greeter.greet", False),
        ('subject="legacy.greet"', "legacy.greet", True),
        ("subject=SUBJECT", "SUBJECT", False),
    ],
)
def test_the_subject_is_as_the_decorator_says(options: str, subject: str, is_text: bool) -> None:
    found = found_in(PLAIN.replace('")', f'", {options})')).about("greeter")
    assert (found.text, found.is_text) == (subject, is_text)


def test_a_name_that_is_no_literal_is_shown_as_it_is_written() -> None:
    assert found_in(PLAIN.replace('"greet"', "NAME")).about("greeter").text == "v1.greeter.{NAME}"


def test_an_action_of_every_instance_is_known() -> None:
    assert found_in(PLAIN.replace('")', '", queue=False)')).is_for_all


def test_a_file_that_does_not_parse_says_why_and_hides_no_other(service: Path) -> None:
    write(service, "a_action.py", "def (")
    write(service, "b_action.py", PLAIN)
    write(service, "c_action.py", "async def c(): ...")
    write(service, "helper.py", PLAIN)
    broken, good, none = ACTIONS.files_in(service)
    assert (broken.error, broken.names) == ("line 1: invalid syntax", ())
    assert (good.error, good.names) == ("", ("greet",))
    assert none.error == "it has no @action"


def test_what_a_command_makes_is_known_again_from_its_source(service: Path) -> None:
    options = '", version=2, queue=False, concurrency=4, timeout=2.5)'
    write(service, "greet_v2_action.py", PLAIN.replace('")', options).replace("def greet", "def greet_v2"))
    (file,) = ACTIONS.files_in(service)
    assert file.regenerated() == Action("greet_v2", "greet", 2, queue=False, concurrency=4, timeout=2.5)


@pytest.mark.parametrize(
    "source",
    ["", PLAIN + PLAIN, PLAIN.replace("def greet", "def other"), PLAIN.replace('"greet"', "NAME"),
     PLAIN.replace('")', '", subject="a.b")'), PLAIN.replace('")', '", version=VERSION)')],
)  # fmt: skip
def test_what_no_command_makes_is_not_taken_for_it(service: Path, source: str) -> None:
    write(service, "greet_action.py", source)
    with pytest.raises(InputError):
        ACTIONS.files_in(service)[0].regenerated()
