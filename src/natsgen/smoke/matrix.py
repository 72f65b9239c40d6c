"""Choosing the samples of a template from its questions alone, so that forks are covered too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from natsgen import messages
from natsgen.answers.questions import Question, Questionnaire
from natsgen.errors import InputError, TemplateError
from natsgen.parts import handlers, naming, tasks
from natsgen.parts.packages import DEPLOY, DEPLOY_NAMES, EXTRA_NAMES, EXTRAS
from natsgen.smoke import covering

ACTION = "greet"
LONGEST_SUBJECT = f"{'c' * 60}.{'d' * 31}.{'e' * 32}"
LONGEST = "b" * naming.HANDLER_MAX_LENGTH


def plain_parts(service: str) -> dict[str, dict[str, Any]]:
    """Return the parts of a service, by question; one of them uses each option."""
    call = f"v1.{service}.{ACTION}"
    return {
        "handlers": {
            "order_created": "orders.order.created",
            "order_any": {"subject": "orders.order.*", "durable": f"{service}-archive", "concurrency": 3},
            "everything": {"subject": "parcels.>", "concurrency": 2, "batch": True},
        },
        "actions": {
            ACTION: {},
            "greet_v2": {"action": ACTION, "version": 2, "queue": False, "concurrency": 3, "timeout": 2.5},
        },
        "routes": {
            "greet": {"method": "POST", "path": "/greet", "call": call},
            "hello": {"method": "GET", "path": "/hello/{name}", "call": call},
            "order_created": {"method": "PUT", "path": "/orders/{order_id}", "publish": "orders.order.created"},
        },
        "tasks": {
            "send_email": {"queue": "emails"},
            "resize": {"queue": "images", "priority": "low", "concurrency": 3, "timeout": 20.5, "max_attempts": 4},
        },
        "publishers": {
            "taken": "readings.reading.taken",
            "measured": {"subject": "levels.level.measured", "interval": 0.2},
            "beat": {"subject": "hearts.beat", "interval": 0.1, "core": True},
        },
        "subscribers": {
            "taken": "readings.reading.taken",
            "levels": {"subject": "levels.>", "queue_group": "smoke-levels"},
            "beats": {"subject": "hearts.*", "queue_group": ""},
        },
    }


def longest_parts(service: str) -> dict[str, dict[str, Any]]:
    """Return the parts of a service, by question, with names of the maximum length."""
    call, publish = f"v1.{service}.{LONGEST}", LONGEST_SUBJECT
    return {
        "handlers": {one.name: one.to_answer() for one in handlers.from_subjects([LONGEST_SUBJECT])},
        "actions": {LONGEST: {}},
        "routes": {
            LONGEST: {"method": "PATCH", "path": f"/{{{'p' * 40}}}/{'e' * 60}", "call": call},
            "c" * len(LONGEST): {"method": "DELETE", "path": f"/{{{'q' * 40}}}/{'s' * 150}", "publish": publish},
        },
        "tasks": {LONGEST: {"queue": "q" * tasks.QUEUE_MAX_LENGTH}},
        "publishers": {LONGEST: {"subject": LONGEST_SUBJECT, "interval": 0.2}},
        "subscribers": {LONGEST: {"subject": LONGEST_SUBJECT, "queue_group": "g" * 128}},
    }


LEADS_TO = {"call": "actions", "publish": "handlers"}
"""The kind of part that each option of a route needs; a template may lack either."""
FRAMEWORK = "framework"
KINDS = ("worker", "service", "publisher", "subscriber", "gateway")


@dataclass(frozen=True)
class Shape:
    """A kind of service and its kinds of parts.

    Attributes:
        name: shown in reports.
        kind: the kind of service, one of `KINDS`.
        questions: the template's questions for its kinds of parts.
        framework: the web framework of a gateway; "" for others.
    """

    name: str
    kind: str
    questions: tuple[str, ...]
    framework: str = ""

    def answers(self, service: str, *, longest: bool) -> dict[str, Any]:
        """Return the parts of a service of that name: with every option in use, or with the longest names."""
        parts = (longest_parts if longest else plain_parts)(service)
        possible = {option for option, question in LEADS_TO.items() if question in self.questions}
        parts["routes"] = {name: route for name, route in parts["routes"].items() if possible & route.keys()}
        framework = {FRAMEWORK: self.framework} if self.framework else {}
        return {**{question: parts[question] for question in self.questions}, **framework}


SHAPES = (
    Shape("worker", "worker", ("handlers",)),
    Shape("service", "service", ("actions",)),
    Shape("worker-with-actions", "worker", ("handlers", "actions")),
    Shape("task-worker", "worker", ("tasks",)),
    Shape("publisher", "publisher", ("publishers",)),
    Shape("subscriber", "subscriber", ("subscribers",)),
)
"""The shapes without a web framework."""


def shapes(questionnaire: Questionnaire) -> tuple[Shape, ...]:
    """Return the shapes that the template supports, in a fixed order.

    Raises:
        TemplateError: the template asks for neither handlers nor actions.
    """
    asked = questionnaire.questions
    if not {"handlers", "actions"} & asked.keys():
        raise TemplateError(
            "the template asks for neither handlers nor actions: smoke has nothing to send to a service"
        )
    found = [shape for shape in SHAPES if set(shape.questions) <= asked.keys()]
    if FRAMEWORK in asked and "routes" in asked:
        question = asked[FRAMEWORK]
        frameworks = [choice for choice in question.choices if choice != question.default]
        parts = tuple(key for key in ("handlers", "actions", "routes") if key in asked)
        found += [Shape(f"gateway-{choice}", "gateway", parts, choice) for choice in frameworks]
    return tuple(found)


QUICK, FULL = "quick", "full"
MATRICES = (QUICK, FULL)

SHAPE, NAMES = "shape", "names"
SHORT, LONG = "short", "longest"
DEFAULT, GIVEN = "default", "given"
SHOWS_IN: Mapping[str, frozenset[str]] = {
    "dedup": frozenset({"handlers"}),
    "envelope": frozenset({"handlers", "publishers", "subscribers"}),
    "publish_interval": frozenset({"publishers"}),
    "queue_group": frozenset({"subscribers"}),
}
"""Questions whose answers, apart from the default, matter only in services with a part of one of these kinds."""

# Answers to questions that accept any text: some break templates that do not quote them. And all the extras.
TEXTS: Mapping[str, Any] = {
    "description": """He said "it's" \\n {{ 7*7 }} ${HOME} $(id) `id` <b> # : - 'x' \u00e9\U0001f600 %s {% raw %}""",
    "bounded_context": "smoke_context-1",
    "publish_interval": "0.25",
    "queue_group": "smoke",
    "network": "natsgen-smoke",
    "registry": "registry.invalid/mirror",
    "labels": {"team": "smoke: 'test'", "com.example/owner": "it's $HOME"},
    EXTRAS: list(EXTRA_NAMES),
    DEPLOY: list(DEPLOY_NAMES),
}


@dataclass(frozen=True)
class Sample:
    """One service to generate.

    Attributes:
        name: shown in reports.
        shape: its kind and its kinds of parts.
        answers: the given answers; the template derives the others or uses their defaults.
        levels: the level of each factor in this sample.
    """

    name: str
    shape: Shape
    answers: Mapping[str, Any]
    levels: Mapping[str, str]

    @property
    def service(self) -> str:
        """Return the service's name."""
        return str(self.answers["service_name"])

    @property
    def kind(self) -> str:
        """Return the kind of service, such as `worker`."""
        return self.shape.kind


def samples(questionnaire: Questionnaire, matrix: str = QUICK, kinds: Sequence[str] = ()) -> tuple[Sample, ...]:
    """Return the samples of one matrix.

    Args:
        questionnaire: the template's questions.
        matrix: `quick` covers every shape and each choice of each question; `full` covers each pair of them.
        kinds: only these kinds of services; all if empty.

    Raises:
        InputError: the matrix does not exist, or the template does not support a kind.
        TemplateError: smoke cannot send anything to the template's services.
    """
    if matrix not in MATRICES:
        raise InputError(f"--matrix: {messages.invalid_choice(matrix, MATRICES)}")
    wanted = {shape.name: shape for shape in _of_kinds(shapes(questionnaire), kinds)}
    factors = {SHAPE: tuple(wanted), **_factors(questionnaire)}

    def allowed(row: Mapping[str, Any]) -> bool:
        """Return whether every answer of the row matters in a service of its shape."""
        parts = set(wanted[row[SHAPE]].questions) if SHAPE in row else None
        return parts is None or all(
            kinds & parts or row.get(key, factors[key][0]) == factors[key][0]
            for key, kinds in SHOWS_IN.items()
            if key in factors
        )

    goals = covering.combinations_of(factors, 2 if matrix == FULL else 1)
    counted: Counter[str] = Counter()
    chosen = []
    for row in covering.rows(factors, goals, allowed):
        counted[str(row[SHAPE])] += 1
        chosen.append(_sample(wanted[str(row[SHAPE])], counted[str(row[SHAPE])], row))
    return tuple(chosen)


def _of_kinds(available: Sequence[Shape], kinds: Sequence[str]) -> list[Shape]:
    supported = [kind for kind in KINDS if any(shape.kind == kind for shape in available)]
    for kind in kinds:
        if kind not in supported:
            raise InputError(f"--kinds: {messages.invalid_choice(kind, supported)}")
    return [shape for shape in available if not kinds or shape.kind in kinds]


def _factors(questionnaire: Questionnaire) -> dict[str, tuple[Any, ...]]:
    """Return the factors other than the shape, with their levels, the template's default first."""
    found = {key: _levels(question) for key, question in questionnaire.questions.items()}
    return {**{key: levels for key, levels in found.items() if len(levels) > 1}, NAMES: (SHORT, LONG)}


def _levels(question: Question) -> tuple[Any, ...]:
    if question.key == FRAMEWORK:  # part of the shape
        return ()
    if question.kind == "switch":
        return (bool(question.default), not question.default)
    if question.choices:
        return tuple(sorted(question.choices, key=lambda choice: choice != question.default))
    return (DEFAULT, GIVEN) if question.key in TEXTS else ()


def _sample(shape: Shape, number: int, row: Mapping[str, Any]) -> Sample:
    name = shape.name if number == 1 else f"{shape.name}-{number}"
    longest = row[NAMES] == LONG
    service = f"{name}-".ljust(naming.SERVICE_MAX_LENGTH, "a") if longest else name
    answers: dict[str, Any] = {"service_name": service, **shape.answers(service, longest=longest)}
    for key, level in row.items():
        if key in TEXTS:
            answers |= {key: TEXTS[key]} if level == GIVEN else {}
        elif key not in (SHAPE, NAMES):
            answers[key] = level
    return Sample(name, shape, answers, {key: str(level) for key, level in row.items()})
