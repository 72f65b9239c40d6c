"""What a person gave for the template's questions, each checked by its question.

A flag has the last word, then `--data`, then `--data-file`; what nobody gave is derived or default (`answers.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from natsgen import messages, naming
from natsgen.answers import yaml_text
from natsgen.answers.questions import Questionnaire
from natsgen.errors import InputError
from natsgen.parts import action_naming, actions, packages, pubsub, pubsub_naming, routes, tasks

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
        values: the value by the question's key.
        sources: where each value comes from, for messages: "--data", the data file's name, an option.
    """

    values: Mapping[str, Any]
    sources: Mapping[str, str]

    def over(self, other: GivenAnswers) -> GivenAnswers:
        """Both, where this one has the last word."""
        return GivenAnswers({**other.values, **self.values}, {**other.sources, **self.sources})

    def without(self, key: str) -> GivenAnswers:
        """All of it but what answers one question."""
        return GivenAnswers(
            {one: value for one, value in self.values.items() if one != key},
            {one: source for one, source in self.sources.items() if one != key},
        )


def from_flags(flags: Mapping[str, str | None], questionnaire: Questionnaire) -> GivenAnswers:
    """What the command's own options say.

    Args:
        flags: the text by question, a key of `FLAGS`; None was not given.
        questionnaire: what the template asks.

    Raises:
        InputError: a value is not one of its question's choices.
    """
    given = {key: text for key, text in flags.items() if text is not None}
    return GivenAnswers(
        values={key: questionnaire.question(key, FLAGS[key]).check(text, FLAGS[key]) for key, text in given.items()},
        sources={key: FLAGS[key] for key in given},
    )


def from_subjects(subjects: Sequence[str]) -> GivenAnswers:
    """The handlers for what `--subject` gave; nothing if it gave nothing.

    Raises:
        InputError: one of them is no subject for a worker.
    """
    for text in subjects:
        messages.located("--subject", naming.subject, text)
    return _parts("handlers", naming.handlers_for(subjects), "--subject")


def from_actions(names: Sequence[str], version: int = 1) -> GivenAnswers:
    """The actions for what `--action` gave, all of one version; nothing if it gave nothing.

    Raises:
        InputError: one of them is no name of an action, or is there twice.
    """
    checked = [messages.located("--action", action_naming.action, name) for name in names]
    return _parts("actions", actions.named(checked, version), "--action")


def from_routes(texts: Sequence[str]) -> GivenAnswers:
    """The routes for what `--route` gave; nothing if it gave nothing.

    Raises:
        InputError: one of them is no route, or two answer the same requests.
    """
    return _parts("routes", messages.located("--route", routes.named, texts), "--route")


def from_published(subjects: Sequence[str], *, core: bool = False) -> GivenAnswers:
    """The publishers for what `--subject` gave to `new publisher`; nothing if it gave nothing.

    Args:
        subjects: as they were typed.
        core: whether they publish by core NATS.

    Raises:
        InputError: one of them is no subject to publish on, or is there twice.
    """
    named = messages.located("--subject", partial(pubsub_naming.named, rule=pubsub_naming.published), subjects)
    entries = {name: pubsub.Publisher(name, subject, core=core).answer() for name, subject in named.items()}
    return _parts("publishers", entries, "--subject")


def from_heard(subjects: Sequence[str]) -> GivenAnswers:
    """The subscribers for what `--subject` gave to `new subscriber`; nothing if it gave nothing.

    Raises:
        InputError: one of them is no subject to listen to, or is there twice.
    """
    named = messages.located("--subject", partial(pubsub_naming.named, rule=pubsub_naming.heard), subjects)
    return _parts("subscribers", named, "--subject")


def from_queues(texts: Sequence[str]) -> GivenAnswers:
    """The tasks for what `--queue` gave; nothing if it gave nothing.

    Raises:
        InputError: one of them is no queue, or two tasks have one name.
    """
    return _parts("tasks", messages.located("--queue", tasks.named, texts), "--queue")


def from_extras(texts: Sequence[str], option: str = "--with") -> GivenAnswers:
    """The extras that an option or an argument gave, each a name or several with commas between; nothing if none.

    Raises:
        InputError: there is no such extra.
    """
    if not texts:
        return GivenAnswers({}, {})
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    if not names:
        raise InputError(f"{option} takes names of extras, such as kv,objects")
    return GivenAnswers(
        {packages.EXTRAS: messages.located(option, packages.check_extras, names)}, {packages.EXTRAS: option}
    )


def from_pairs(pairs: Sequence[str], questionnaire: Questionnaire, where: str = "--data") -> GivenAnswers:
    """What `--data KEY=VALUE` says, or another argument like it, the last one of a key counting.

    Raises:
        InputError: no `=`, an unknown key, or a value that its question does not take.
    """
    values = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator:
            raise InputError(f"{where}: {messages.quote(pair)} has no '='; it takes KEY=VALUE")
        values[key] = questionnaire.question(key, where).parse(text, where)
    return GivenAnswers(values, dict.fromkeys(values, where))


def from_file(file: Path, questionnaire: Questionnaire) -> GivenAnswers:
    """What a `--data-file` says: a mapping of question to value, in JSON if its name ends so, else in YAML.

    Raises:
        InputError: it cannot be read, is no mapping, or holds a key or value that its question does not take.
    """
    where = f"--data-file {file}"
    raw = _read_mapping(file, where)
    values = {str(key): questionnaire.question(str(key), where).check(value, where) for key, value in raw.items()}
    return GivenAnswers(values, dict.fromkeys(values, where))


def _parts(question: str, named: Mapping[str, Any], option: str) -> GivenAnswers:
    """What an option that may be repeated gave; nothing if it was not there, so that others may say it."""
    return GivenAnswers({question: named}, {question: option}) if named else GivenAnswers({}, {})


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
