"""What a person gave for the template's questions, each checked by its question.

A flag has the last word, then `--data`, then `--data-file`; what nobody gave is derived or default (`answers.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from natsgen import messages, naming
from natsgen.answers import yaml_text
from natsgen.answers.questions import Questionnaire
from natsgen.errors import InputError
from natsgen.parts import packages
from natsgen.parts.kind import Part
from natsgen.parts.kinds import KINDS
from natsgen.parts.publishers import INTERVAL
from natsgen.parts.subscribers import GROUP

# The option of each question that has one of its own, as messages name it. The handlers come from --subject, as the
# publishers and the subscribers do, the actions from --action, the routes from --route, the tasks from --queue.
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
    """What a person gave for some of the questions, in the questions' types.

    Attributes:
        values: the value by the question's key: text, for one, or the parts of a kind.
        sources: where each value comes from, for messages: "--data", the data file's name, an option.
    """

    values: Mapping[str, Any]
    sources: Mapping[str, str]

    @classmethod
    def of(cls, values: Mapping[str, Any], sources: Mapping[str, str] | None = None) -> GivenAnswers:
        """Check what was given by the rules of names, and make parts of what describes them.

        Args:
            values: in the questions' types, by the question's key.
            sources: where each comes from.

        Raises:
            InputError: an answer breaks its rule; the message names where it comes from.
        """
        known = sources or {}
        return cls({key: _checked(key, value, known.get(key, key)) for key, value in values.items()}, known)

    def parts(self, question: str) -> tuple[Any, ...]:
        """Return the parts that answer a question; none where nothing does."""
        return tuple(self.values.get(question, ()))

    def over(self, other: GivenAnswers) -> GivenAnswers:
        """Return both, where this one has the last word."""
        return GivenAnswers({**other.values, **self.values}, {**other.sources, **self.sources})

    def without(self, key: str) -> GivenAnswers:
        """Return all of it but what answers one question."""
        return GivenAnswers(
            {one: value for one, value in self.values.items() if one != key},
            {one: source for one, source in self.sources.items() if one != key},
        )


NOTHING = GivenAnswers({}, {})


def from_flags(flags: Mapping[str, Any], questionnaire: Questionnaire) -> GivenAnswers:
    """Return what the command's own options say.

    Args:
        flags: the text of each option by its name without hyphens in front; None was not given.
        questionnaire: what the template asks.

    Raises:
        InputError: a value is not one of its question's choices.
    """
    texts = {key: flags.get(flag.removeprefix("--")) for key, flag in FLAGS.items()}
    given = {key: FLAGS[key] for key, text in texts.items() if text is not None}
    values = {key: questionnaire.question(key, flag).check(texts[key], flag) for key, flag in given.items()}
    return GivenAnswers.of(values, given)


def from_texts(option: str, read: Callable[[Sequence[str]], Sequence[Part]], texts: Sequence[str]) -> GivenAnswers:
    """Return the parts that an option which may be repeated gave; nothing if it was not given, so that others may.

    Args:
        option: its name, for messages.
        read: what makes the parts of its texts.
        texts: as they were typed.

    Raises:
        InputError: `read` cannot make parts of them.
    """
    parts = messages.located(option, read, texts)
    return GivenAnswers({parts[0].kind.question: tuple(parts)}, {parts[0].kind.question: option}) if parts else NOTHING


def from_extras(texts: Sequence[str], option: str = "--with") -> GivenAnswers:
    """Return the extras that an option or an argument gave, each a name or several with commas between.

    Raises:
        InputError: there is no such extra.
    """
    if not texts:
        return NOTHING
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    if not names:
        raise InputError(f"{option} takes names of extras, such as kv,objects")
    return GivenAnswers(
        {packages.EXTRAS: messages.located(option, packages.check_extras, names)}, {packages.EXTRAS: option}
    )


def from_pairs(pairs: Sequence[str], questionnaire: Questionnaire, where: str = "--data") -> GivenAnswers:
    """Return what `--data KEY=VALUE` says, or another argument like it, the last one of a key counting.

    Raises:
        InputError: no `=`, an unknown key, or a value that its question does not take.
    """
    values = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator:
            raise InputError(f"{where}: {messages.quote(pair)} has no '='; it takes KEY=VALUE")
        values[key] = questionnaire.question(key, where).parse(text, f"{where} {key}")
    return GivenAnswers.of(values, dict.fromkeys(values, where))


def from_file(file: Path, questionnaire: Questionnaire) -> GivenAnswers:
    """Return what a `--data-file` says: a mapping of question to value, in JSON if its name ends so, else in YAML.

    Raises:
        InputError: it cannot be read, is no mapping, or holds a key or value that its question does not take.
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
        text = file.read_text(encoding="utf-8-sig")  # the person's own file, which may be a pipe
        raw = json.loads(text) if file.suffix.lower() == ".json" else yaml_text.load(text)
    except OSError as error:
        raise InputError(f"{where}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise InputError(f"{where}: it is neither YAML nor JSON: {problem}") from error
    if not isinstance(raw, dict):
        raise InputError(f"{where}: it takes a mapping of questions to answers, one a line, such as 'dedup: redis'")
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
    packages.EXTRAS: packages.check_extras,
}
