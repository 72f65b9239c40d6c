"""The answers file of a service: the answers and the template version that it was created with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from natsgen import messages
from natsgen.answers import answers, yaml_text
from natsgen.answers.answers import Answers
from natsgen.answers.given_answers import GivenAnswers
from natsgen.answers.questions import Questionnaire
from natsgen.errors import NatsgenError, ServiceError
from natsgen.files import reading
from natsgen.files.workspace import ANSWERS_FILE, no_answers_file


@dataclass(frozen=True)
class AnswersFile:
    """The content of an answers file.

    Attributes:
        file: its path.
        values: the unchecked answers, by the question's key.
        commit: the template's version, such as v0.1.0; "" if missing.
        source: the template's address; "" if missing.
    """

    file: Path
    values: Mapping[str, Any]
    commit: str
    source: str = ""


def read(service: Path) -> AnswersFile:
    """Read the answers file in a service's folder.

    Raises:
        ServiceError: the file does not exist, or is invalid.
    """
    file = service / ANSWERS_FILE
    try:
        raw = yaml_text.load(reading.read_text(file, reading.ANSWERS_LIMIT))
    except FileNotFoundError as error:
        raise no_answers_file(service) from error
    except OSError as error:
        raise ServiceError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ServiceError(
            f"{file} is not valid YAML ({_on_one_line(error)}): restore it from your repository"
        ) from error
    if not isinstance(raw, dict):
        raise ServiceError(f"{file} contains no answers: restore it from your repository")
    values = {str(key): value for key, value in raw.items() if not str(key).startswith("_")}
    commit, source = (str(raw.get(key) or "") for key in ("_commit", "_src_path"))
    if not (commit + source).isprintable():
        raise ServiceError(f"{file} names a template with unprintable characters: restore it from your repository")
    return AnswersFile(file, values, commit, source)


def answers_of(stored: AnswersFile, questionnaire: Questionnaire, workspace: Path) -> Answers:
    """Return the checked answers of a service; newer questions get their defaults.

    Raises:
        ServiceError: an answer is invalid, or the answers belong to another service.
    """
    require_matching_name(stored)
    known = {key: value for key, value in stored.values.items() if key in questionnaire.questions}
    try:
        checked = {key: questionnaire.questions[key].check(value, str(stored.file)) for key, value in known.items()}
        given = GivenAnswers.of(checked, dict.fromkeys(checked, str(stored.file)))
        return answers.complete(given, questionnaire, workspace)
    except NatsgenError as error:
        raise ServiceError(str(error)) from error


def require_matching_name(stored: AnswersFile) -> None:
    """Check that the answers belong to the service whose folder they are in.

    Raises:
        ServiceError: they belong to another service.
    """
    name = stored.file.parent.name
    if stored.values.get("service_name") != name:
        raise ServiceError(
            f"{stored.file} contains the answers of {messages.quote(str(stored.values.get('service_name')))}, not of "
            f"{messages.quote(name)}: restore the name of the folder, or correct the answer"
        )


def _on_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
