"""Which samples are made of a template: a pure function of its questions, so that a fork's are covered as well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from natsgen import messages, naming
from natsgen.answers.questions import Question, Questionnaire
from natsgen.errors import InputError
from natsgen.parts.packages import EXTRA_NAMES, EXTRAS
from natsgen.smoke import covering
from natsgen.smoke.shapes import FRAMEWORK, KINDS, Shape, shapes

QUICK, FULL = "quick", "full"
MATRICES = (QUICK, FULL)

SHAPE, NAMES = "shape", "names"
SHORT, LONGEST = "short", "longest"
DEFAULT, GIVEN = "default", "given"
SHOWS_IN: Mapping[str, frozenset[str]] = {
    "dedup": frozenset({"handlers"}),
    "envelope": frozenset({"handlers", "publishers", "subscribers"}),
    "publish_interval": frozenset({"publishers"}),
    "queue_group": frozenset({"subscribers"}),
}
"""Questions whose answers, the default aside, show only in services with a part of one of these kinds."""

# Answers to questions that take any text, on one of which breaks whoever renders files by hand; and all the extras.
TEXTS: Mapping[str, Any] = {
    "description": """He said "it's" \\n {{ 7*7 }} ${HOME} $(id) `id` <b> # : - 'x' \u00e9\U0001f600 %s {% raw %}""",
    "bounded_context": "smoke_context-1",
    "publish_interval": "0.25",
    "queue_group": "smoke",
    "network": "natsgen-smoke",
    "registry": "registry.invalid/mirror",
    "labels": {"team": "smoke: 'test'", "com.example/owner": "it's $HOME"},
    EXTRAS: list(EXTRA_NAMES),
}


@dataclass(frozen=True)
class Sample:
    """One service that is made.

    Attributes:
        name: of the sample, for a person.
        service: the service's name.
        shape: what it is made of.
        answers: what the template is told; it derives or has a default for everything else.
        levels: what distinguishes it from other samples, by what is varied.
    """

    name: str
    service: str
    shape: Shape
    answers: Mapping[str, Any]
    levels: Mapping[str, str]

    @property
    def kind(self) -> str:
        """Such as `worker`."""
        return self.shape.kind


def samples(questionnaire: Questionnaire, matrix: str = QUICK, kinds: Sequence[str] = ()) -> tuple[Sample, ...]:
    """The samples of one matrix.

    Args:
        questionnaire: what the template asks.
        matrix: `quick` has every shape, and each choice of each question at least once; `full` each two of them
            together.
        kinds: only these kinds of services; all without it.

    Raises:
        InputError: there is no such matrix, or a kind that this template does not make.
        TemplateError: it makes nothing that smoke knows.
    """
    if matrix not in MATRICES:
        raise InputError(f"--matrix: {messages.invalid_choice(matrix, MATRICES)}")
    wanted = {shape.name: shape for shape in _of_kinds(shapes(questionnaire), kinds)}
    factors = {SHAPE: tuple(wanted), **_factors(questionnaire)}

    def allowed(row: Mapping[str, Any]) -> bool:
        """Whether every answer of the row shows in a service of its shape."""
        parts = set(wanted[row[SHAPE]].questions) if SHAPE in row else None
        return parts is None or all(
            kinds & parts or row.get(key, factors[key][0]) == factors[key][0]
            for key, kinds in SHOWS_IN.items()
            if key in factors
        )

    goals = covering.each_pair(factors) if matrix == FULL else covering.each_level(factors)
    counted: Counter[str] = Counter()
    made = []
    for row in covering.rows(factors, goals, allowed):
        counted[str(row[SHAPE])] += 1
        made.append(_sample(wanted[str(row[SHAPE])], counted[str(row[SHAPE])], row))
    return tuple(made)


def _of_kinds(there: Sequence[Shape], kinds: Sequence[str]) -> list[Shape]:
    makes = [kind for kind in KINDS if any(shape.kind == kind for shape in there)]
    for kind in kinds:
        if kind not in makes:
            raise InputError(
                f"--kinds: the template makes no {messages.quote(kind)}{messages.did_you_mean(kind, makes)} "
                f"(it makes {', '.join(makes)})"
            )
    return [shape for shape in there if not kinds or shape.kind in kinds]


def _factors(questionnaire: Questionnaire) -> dict[str, tuple[Any, ...]]:
    """What is varied beside the shape, and its levels, the template's default first."""
    found: dict[str, tuple[Any, ...]] = {}
    for key, question in questionnaire.questions.items():
        levels = _levels(question)
        if len(levels) > 1:
            found[key] = levels
    return {**found, NAMES: (SHORT, LONGEST)}


def _levels(question: Question) -> tuple[Any, ...]:
    if question.key == FRAMEWORK:  # is in the shape
        return ()
    if question.kind == "switch":
        return (bool(question.default), not question.default)
    if question.choices:
        return tuple(sorted(question.choices, key=lambda choice: choice != question.default))
    return (DEFAULT, GIVEN) if question.key in TEXTS else ()


def _sample(shape: Shape, number: int, row: Mapping[str, Any]) -> Sample:
    name = shape.name if number == 1 else f"{shape.name}-{number}"
    longest = row[NAMES] == LONGEST
    service = f"{name}-".ljust(naming.SERVICE_MAX_LENGTH, "a") if longest else name
    answers: dict[str, Any] = {"service_name": service, **shape.answers(service, longest=longest)}
    for key, level in row.items():
        if key in TEXTS:
            answers |= {key: TEXTS[key]} if level == GIVEN else {}
        elif key not in (SHAPE, NAMES):
            answers[key] = level
    return Sample(name, service, shape, answers, {key: str(level) for key, level in row.items()})
