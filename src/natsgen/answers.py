"""What the template is told: flags, `--data`, `--data-file` and defaults, merged in that order and checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from natsgen import action_naming, actions, naming, pubsub, pubsub_naming, routes, tasks, yaml_text
from natsgen.errors import InputError
from natsgen.handlers import Handler, subjects_of
from natsgen.parts import KINDS, PUBLISHERS, kind_of
from natsgen.questions import Questionnaire

NO_FRAMEWORK = "none"  # the answer `framework` of a service that is no gateway
FRAMEWORKS = ("fastapi", "django")  # the others

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
class Answers:
    """One checked answer for every question of copier.yml, under the question's key.

    A template that is older, or a team's own, need not ask all of these: what it does not ask keeps its default.

    Attributes:
        extra: the answers to what only the template of a fork asks, by key; where its default is derived, Copier does.
    """

    service_name: str
    handlers: Mapping[str, Any]
    bounded_context: str
    description: str
    python_version: str = "3.13"
    dedup: str = "none"
    workspace: str = ""
    network: str = ""
    registry: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    actions: Mapping[str, Any] = field(default_factory=dict)
    framework: str = NO_FRAMEWORK
    routes: Mapping[str, Any] = field(default_factory=dict)
    tasks: Mapping[str, Any] = field(default_factory=dict)
    publishers: Mapping[str, Any] = field(default_factory=dict)
    subscribers: Mapping[str, Any] = field(default_factory=dict)
    envelope: str = "domain"
    image: str = "slim"
    publish_interval: str = "2"
    queue_group: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What they make: see `kind_of`."""
        return kind_of(self.framework != NO_FRAMEWORK, {kind for kind in KINDS if getattr(self, kind.question)})

    def as_data(self) -> dict[str, Any]:
        """The answers as Copier takes them."""
        data = asdict(self)
        return {**data.pop("extra"), **data}


@dataclass(frozen=True)
class Given:
    """What a person gave for some of the questions, in the questions' types.

    Attributes:
        values: the value by the question's key.
        sources: where each value comes from, for messages: "--data", the data file's name, an option.
    """

    values: Mapping[str, Any]
    sources: Mapping[str, str]

    def over(self, other: Given) -> Given:
        """Both, where this one has the last word."""
        return Given({**other.values, **self.values}, {**other.sources, **self.sources})

    def without(self, key: str) -> Given:
        """All of it but what answers one question."""
        return Given(
            {one: value for one, value in self.values.items() if one != key},
            {one: source for one, source in self.sources.items() if one != key},
        )


def from_flags(flags: Mapping[str, str | None], questionnaire: Questionnaire) -> Given:
    """What the command's own options say.

    Args:
        flags: the text by question, a key of `FLAGS`; None was not given.
        questionnaire: what the template asks.

    Raises:
        InputError: a value is not one of its question's choices.
    """
    given = {key: text for key, text in flags.items() if text is not None}
    return Given(
        values={key: questionnaire.question(key, FLAGS[key]).check(text, FLAGS[key]) for key, text in given.items()},
        sources={key: FLAGS[key] for key in given},
    )


def from_subjects(subjects: Sequence[str]) -> Given:
    """The handlers for what `--subject` gave; nothing if it gave nothing.

    Raises:
        InputError: one of them is no subject for a worker.
    """
    if not subjects:
        return Given({}, {})
    for text in subjects:
        naming.at("--subject", naming.subject, text)
    return Given({"handlers": naming.handlers_for(subjects)}, {"handlers": "--subject"})


def from_actions(names: Sequence[str], version: int = 1) -> Given:
    """The actions for what `--action` gave, all of one version; nothing if it gave nothing.

    Raises:
        InputError: one of them is no name of an action, or is there twice.
    """
    if not names:
        return Given({}, {})
    checked = [naming.at("--action", action_naming.action, name) for name in names]
    return Given({"actions": actions.named(checked, version)}, {"actions": "--action"})


def from_routes(texts: Sequence[str]) -> Given:
    """The routes for what `--route` gave; nothing if it gave nothing.

    Raises:
        InputError: one of them is no route, or two answer the same requests.
    """
    if not texts:
        return Given({}, {})
    return Given({"routes": naming.at("--route", routes.named, texts)}, {"routes": "--route"})


def from_published(subjects: Sequence[str], *, core: bool = False) -> Given:
    """The publishers for what `--subject` gave to `new publisher`; nothing if it gave nothing.

    Args:
        subjects: as they were typed.
        core: whether they publish by core NATS.

    Raises:
        InputError: one of them is no subject to publish on, or is there twice.
    """
    if not subjects:
        return Given({}, {})
    named = naming.at("--subject", partial(pubsub_naming.named, rule=pubsub_naming.published), subjects)
    entries = {name: pubsub.Publisher(name, subject, core=core).answer() for name, subject in named.items()}
    return Given({PUBLISHERS.question: entries}, {PUBLISHERS.question: "--subject"})


def from_heard(subjects: Sequence[str]) -> Given:
    """The subscribers for what `--subject` gave to `new subscriber`; nothing if it gave nothing.

    Raises:
        InputError: one of them is no subject to listen to, or is there twice.
    """
    if not subjects:
        return Given({}, {})
    named = naming.at("--subject", partial(pubsub_naming.named, rule=pubsub_naming.heard), subjects)
    return Given({"subscribers": named}, {"subscribers": "--subject"})


def from_queues(texts: Sequence[str]) -> Given:
    """The tasks for what `--queue` gave; nothing if it gave nothing.

    Raises:
        InputError: one of them is no queue, or two tasks have one name.
    """
    if not texts:
        return Given({}, {})
    return Given({"tasks": naming.at("--queue", tasks.named, texts)}, {"tasks": "--queue"})


def from_pairs(pairs: Sequence[str], questionnaire: Questionnaire) -> Given:
    """What `--data KEY=VALUE` says, the last one of a key counting.

    Raises:
        InputError: no `=`, an unknown key, or a value that its question does not take.
    """
    values = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator:
            raise InputError(f"--data: {naming.shown(pair)} has no '='; it takes KEY=VALUE")
        values[key] = questionnaire.question(key, "--data").parse(text, "--data")
    return Given(values, dict.fromkeys(values, "--data"))


def from_file(file: Path, questionnaire: Questionnaire) -> Given:
    """What a `--data-file` says: a mapping of question to value, in JSON if its name ends so, else in YAML.

    Raises:
        InputError: it cannot be read, is no mapping, or holds a key or value that its question does not take.
    """
    where = f"--data-file {file}"
    raw = _read_mapping(file, where)
    values = {str(key): questionnaire.question(str(key), where).check(value, where) for key, value in raw.items()}
    return Given(values, dict.fromkeys(values, where))


def check(given: Given) -> None:
    """Checks what was given by the rules of its names.

    Raises:
        InputError: an answer breaks its rule; the message names the option or file that it comes from.
    """
    for key, value in given.values.items():
        where = given.sources.get(key, key)
        if key == "handlers":
            for name, entry in value.items():
                naming.at(where, partial(Handler.from_answer, name), entry)
        elif key == "actions":
            naming.at(where, actions.check, value)
        elif key == "routes":
            naming.at(where, routes.check, value)
        elif key in pubsub.READERS:
            for name, entry in value.items():
                naming.at(where, partial(pubsub.READERS[key], name), entry)
        elif key == "tasks":
            naming.at(where, partial(tasks.check, handlers=given.values.get("handlers")), value)
        elif key in _RULES:
            naming.at(where, _RULES[key], value)


def complete(given: Given, questionnaire: Questionnaire, workspace: Path) -> Answers:
    """Adds what is derived and what is default.

    Args:
        given: holds at least `service_name`, and parts of some kind or a `framework`.
        questionnaire: what the template asks.
        workspace: the workspace's folder, which names the workspace if nobody does.

    Raises:
        InputError: an answer breaks its rule; the message names the option or file that it comes from. Or there is
            neither a part of any kind nor a framework, or there are routes without a framework.
    """
    check(given)
    service_name = given.values["service_name"]
    done = _done(given.values)
    is_gateway = given.values.get("framework", NO_FRAMEWORK) != NO_FRAMEWORK
    if done["routes"] and not is_gateway:
        where = given.sources.get("routes", "routes")
        raise InputError(f"{where}: routes need a web framework, and there is no --framework")
    if not any(done.values()) and not is_gateway and asks_for_parts(questionnaire):
        raise InputError(
            f"{service_name} has no handlers, no actions and no tasks: it needs one of any kind, a publisher, a "
            "subscriber, or a web framework"
        )
    subjects = done["handlers"] or done["publishers"] or done["subscribers"]
    derived = {
        "bounded_context": naming.context_for(subjects, service_name),
        "description": naming.description_for(done),
        "workspace": naming.workspace_for(workspace),
    }
    fixed = {key: question.default for key, question in questionnaire.questions.items()}
    values = {"handlers": {}, **fixed, **derived, **given.values}
    heard = [pubsub.Subscriber.from_answer(name, entry) for name, entry in values.get("subscribers", {}).items()]
    naming.at(
        given.sources.get("subscribers", "subscribers"),
        partial(pubsub.refuse_shared, heard),
        values.get("queue_group", ""),
    )
    values["description"] = naming.description(values["description"])
    own = {one.name for one in fields(Answers)}
    extra = {key: value for key, value in values.items() if key not in own and value is not None}
    return Answers(**{key: value for key, value in values.items() if key in own}, extra=extra)


def asks_for_parts(questionnaire: Questionnaire) -> bool:
    """Whether a template makes services of parts: a team's own need not."""
    return any(kind.question in questionnaire.questions for kind in KINDS)


def refuse_unasked(given: Given, questionnaire: Questionnaire, template: str) -> None:
    """Makes sure that a template asks for all that was given: an older one, or a team's own, may not.

    Args:
        given: so far.
        questionnaire: what it asks.
        template: what to call it.

    Raises:
        InputError: it does not ask for something; the message names the option that it comes from.
    """
    for key in given.values:
        if key not in questionnaire.questions:
            raise InputError(f"{given.sources.get(key, key)}: the template {template} has no {key}")


def _done(values: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What a service does by checked answers: subjects, actions and requests, by the question that asks for them."""
    return {
        "handlers": subjects_of(values.get("handlers", {})),
        "tasks": tasks.queues_of(values.get("tasks", {})),
        "actions": actions.names_of(values.get("actions", {})),
        "routes": routes.requests_of(values.get("routes", {})),
        "publishers": subjects_of(values.get("publishers", {})),
        "subscribers": subjects_of(values.get("subscribers", {})),
    }


_RULES: Mapping[str, Callable[[Any], object]] = {
    "service_name": naming.service,
    "bounded_context": naming.context,
    "description": naming.description,
    "workspace": naming.workspace,
    "network": naming.network,
    "registry": naming.registry,
    "labels": naming.labels,
    "publish_interval": pubsub_naming.interval_text,
    "queue_group": pubsub_naming.group,
}


def _read_mapping(file: Path, where: str) -> dict[Any, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        raw = json.loads(text) if file.suffix.lower() == ".json" else yaml_text.load(text)
    except OSError as error:
        raise InputError(f"{where}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise InputError(f"{where}: it is neither YAML nor JSON: {problem}") from error
    if not isinstance(raw, dict):
        raise InputError(f"{where}: it takes a mapping of questions to answers, one a line, such as 'dedup: redis'")
    return raw
