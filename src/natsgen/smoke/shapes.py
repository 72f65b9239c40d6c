"""The shapes of service that a template makes: which kinds of parts one has, and in what framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from natsgen.answers.questions import Questionnaire
from natsgen.errors import TemplateError
from natsgen.smoke import sample_parts

FRAMEWORK = "framework"
KINDS = ("worker", "service", "publisher", "subscriber", "gateway")


@dataclass(frozen=True)
class Shape:
    """What a service is made of.

    Attributes:
        name: of the shape, for a person.
        kind: the kind that natsgen would make it as: one of `KINDS`.
        questions: which kinds of parts it has, as the template's questions call them.
        framework: the web framework of a gateway; "" for others.
    """

    name: str
    kind: str
    questions: tuple[str, ...]
    framework: str = ""

    def answers(self, service: str, *, longest: bool) -> dict[str, Any]:
        """The parts of a service of that name: every option in use, or names as long as they may be."""
        parts = (sample_parts.longest if longest else sample_parts.plain)(service, self.questions)
        framework = {FRAMEWORK: self.framework} if self.framework else {}
        return {**parts, **framework}


SHAPES = (
    Shape("worker", "worker", ("handlers",)),
    Shape("service", "service", ("actions",)),
    Shape("worker-with-actions", "worker", ("handlers", "actions")),
    Shape("task-worker", "worker", ("tasks",)),
    Shape("publisher", "publisher", ("publishers",)),
    Shape("subscriber", "subscriber", ("subscribers",)),
)
"""Those without a framework."""


def shapes(questionnaire: Questionnaire) -> tuple[Shape, ...]:
    """The shapes that the template makes, in a fixed order.

    Raises:
        TemplateError: it asks for neither handlers nor actions, so that there is nothing that could be sent to it.
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
