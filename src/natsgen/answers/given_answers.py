"""The answers that the user gave, each checked by its question.

Options override `--data`, which overrides `--data-file`. `answers.py` adds derived and default answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from natsgen import messages
from natsgen.answers import yaml_text
from natsgen.answers.questions import Questionnaire
from natsgen.errors import InputError
from natsgen.parts import naming, packages
from natsgen.parts.kind import Part
from natsgen.parts.kinds import KINDS
from natsgen.parts.publishers import INTERVAL
from natsgen.parts.subscribers import GROUP

# The options of questions, for messages. Handlers, publishers and subscribers come from --subject, actions from
# --action, routes from --route, and tasks from --queue.
FLAGS = {
    "service_name": "NAME",
    "bounded_context": "--context",
    "description": "--description",
    "python_version": "--python",
    "dedup": "--dedup",
    "framework": "--framework",
    "network": "--network",
    "registry": "--registry",
    "envelope": "--envelope",
    "image": "--image",
    "publish_interval": "--interval",
    "queue_group": "--queue-group",
}


@dataclass(frozen=True)
class GivenAnswers:
    """The given answers, in the types of their questions.

    Attributes:
        values: the values by the question's key: text or the parts of a kind, for example.
        sources: where each value comes from, for messages: "--data", the data file's name, an option.
    """

    values: Mapping[str, Any]
    sources: Mapping[str, str]

    @classmethod
    def of(cls, values: Mapping[str, Any], sources: Mapping[str, str] | None = None) -> GivenAnswers:
        """Check the given answers, and convert descriptions of parts to parts.

        Args:
            values: the values in the types of their questions, by the question's key.
            sources: where each value comes from.

        Raises:
            InputError: an answer is invalid; the message names where it comes from.
        """
        known = sources or {}
        return cls({key: _checked(key, value, known.get(key, key)) for key, value in values.items()}, known)

    def parts(self, question: str) -> tuple[Any, ...]:
        """Return the parts that answer a question."""
        return tuple(self.values.get(question, ()))

    def over(self, other: GivenAnswers) -> GivenAnswers:
        """Return the answers of both, where these override the others."""
        return GivenAnswers({**other.values, **self.values}, {**other.sources, **self.sources})

    def without(self, key: str) -> GivenAnswers:
        """Return the answers without that of one question."""
        return GivenAnswers(
            {one: value for one, value in self.values.items() if one != key},
            {one: source for one, source in self.sources.items() if one != key},
        )


NOTHING = GivenAnswers({}, {})


def from_flags(flags: Mapping[str, Any], questionnaire: Questionnaire) -> GivenAnswers:
    """Return the answers that the command's options give.

    Args:
        flags: the text of each option by its name without leading hyphens; None if it was not given.
        questionnaire: the template's questions.

    Raises:
        InputError: a value is not one of its question's choices.
    """
    texts = {key: flags.get(flag.removeprefix("--")) for key, flag in FLAGS.items()}
    given = {key: FLAGS[key] for key, text in texts.items() if text is not None}
    values = {key: questionnaire.question(key, flag).check(texts[key], flag) for key, flag in given.items()}
    return GivenAnswers.of(values, given)


def from_texts(option: str, read: Callable[[Sequence[str]], Sequence[Part]], texts: Sequence[str]) -> GivenAnswers:
    """Return the parts that a repeatable option gives; nothing if it was not given, so that other sources apply.

    Args:
        option: the option's name, for messages.
        read: converts texts to parts.
        texts: the texts as typed.

    Raises:
        InputError: `read` refuses a text.
    """
    parts = messages.located(option, read, texts)
    return GivenAnswers({parts[0].kind.question: tuple(parts)}, {parts[0].kind.question: option}) if parts else NOTHING


def from_names(question: str, texts: Sequence[str], option: str) -> GivenAnswers:
    """Return the packages in the texts of an option or argument, each one name or several separated by commas.

    Args:
        question: the question that they answer, `packages.EXTRAS` or `packages.DEPLOY`.
        texts: the texts as typed.
        option: the name of the option or argument, for messages.

    Raises:
        InputError: one does not exist.
    """
    if not texts:
        return NOTHING
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    if not names:
        example = ",".join(packages.NAMES[question][:2])
        raise InputError(f"{option} needs the names of {packages.NOUNS[question]}s, such as {example}")
    return GivenAnswers(
        {question: messages.located(option, partial(packages.check, question), names)}, {question: option}
    )


def from_pairs(pairs: Sequence[str], questionnaire: Questionnaire, where: str = "--data") -> GivenAnswers:
    """Return the answers in `--data KEY=VALUE` or a similar argument; the last value of a key wins.

    Raises:
        InputError: a pair has no `=`, an unknown key, or an invalid value.
    """
    values = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator:
            raise InputError(f"{where}: {messages.quote(pair)} has no '='; use KEY=VALUE")
        values[key] = questionnaire.question(key, where).parse(text, f"{where} {key}")
    return GivenAnswers.of(values, dict.fromkeys(values, where))


def from_file(file: Path, questionnaire: Questionnaire) -> GivenAnswers:
    """Return the answers in a `--data-file`: a mapping of questions to values, in YAML, or in JSON in a .json file.

    Raises:
        InputError: the file cannot be read, is not a mapping, or contains an unknown key or an invalid value.
    """
    where = f"--data-file {file}"
    raw = _read_mapping(file, where)
    values = {
        str(key): questionnaire.question(str(key), where).check(value, f"{where}: {key}") for key, value in raw.items()
    }
    return GivenAnswers.of(values, dict.fromkeys(values, where))


def _checked(key: str, value: Any, where: str) -> Any:
    if kind := KINDS.get(key):
        if isinstance(value, tuple):
            return value
        return tuple(messages.located(where, partial(kind.part.from_answer, name), one) for name, one in value.items())
    return messages.located(where, _RULES[key], value) if key in _RULES else value


def _read_mapping(file: Path, where: str) -> dict[Any, Any]:
    try:
        text = file.read_text(encoding="utf-8-sig")  # the user's own file, which may be a pipe
        raw = json.loads(text) if file.suffix.lower() == ".json" else yaml_text.load(text)
    except OSError as error:
        raise InputError(f"{where}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise InputError(f"{where}: it is neither valid YAML nor JSON: {problem}") from error
    if not isinstance(raw, dict):
        raise InputError(f"{where}: use a mapping of questions to answers, one per line, such as 'dedup: redis'")
    return raw


def _interval(text: str) -> str:
    INTERVAL.parse(text)
    return text


_RULES: Mapping[str, Callable[[Any], object]] = {
    "service_name": naming.service,
    "bounded_context": naming.context,
    "description": naming.description,
    "workspace": naming.workspace,
    "network": naming.network,
    "registry": naming.registry,
    "labels": naming.labels,
    "publish_interval": _interval,
    "queue_group": GROUP.check,
    **{question: partial(packages.check, question) for question in packages.NOUNS},
}
