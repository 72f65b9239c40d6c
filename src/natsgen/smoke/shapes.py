"""The shapes of service that a template makes: which of handlers, actions and routes one has, and in what framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from natsgen import naming
from natsgen.errors import TemplateError
from natsgen.questions import Questionnaire

FRAMEWORK = "framework"
KINDS = ("worker", "service", "gateway")
ACTION = "greet"
LONGEST_SUBJECT = f"{'c' * 60}.{'d' * 31}.{'e' * 32}"
LONGEST_ACTION = "f" * naming.HANDLER_MAX_LENGTH


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
        parts = {
            "handlers": naming.handlers_for([LONGEST_SUBJECT]) if longest else _handlers(service),
            "actions": {LONGEST_ACTION: {}} if longest else _ACTIONS,
            "routes": (_longest_routes if longest else _routes)(service, self.questions),
        }
        framework = {FRAMEWORK: self.framework} if self.framework else {}
        return {**{question: parts[question] for question in self.questions}, **framework}


def shapes(questionnaire: Questionnaire) -> tuple[Shape, ...]:
    """The shapes that the template makes, in a fixed order.

    Raises:
        TemplateError: it asks for neither handlers nor actions, so that there is nothing that could be sent to it.
    """
    asked = questionnaire.questions
    found: list[Shape] = []
    if "handlers" in asked:
        found.append(Shape("worker", "worker", ("handlers",)))
    if "actions" in asked:
        found.append(Shape("service", "service", ("actions",)))
    both = tuple(question for question in ("handlers", "actions") if question in asked)
    if not found:
        raise TemplateError(
            "the template asks for neither handlers nor actions: smoke has nothing to send to a service"
        )
    if len(both) == 2:
        found.append(Shape("worker-with-actions", "worker", both))
    if FRAMEWORK in asked and "routes" in asked:
        question = asked[FRAMEWORK]
        frameworks = [choice for choice in question.choices if choice != question.default]
        found += [Shape(f"gateway-{choice}", "gateway", (*both, "routes"), choice) for choice in frameworks]
    return tuple(found)


def _handlers(service: str) -> dict[str, Any]:
    return {
        "order_created": "orders.order.created",
        "order_any": {"subject": "orders.order.*", "durable": f"{service}-archive", "concurrency": 3},
        "everything": {"subject": "parcels.>", "concurrency": 2, "batch": True},
    }


_ACTIONS: dict[str, Any] = {
    ACTION: {},
    "greet_v2": {"action": ACTION, "version": 2, "queue": False, "concurrency": 3, "timeout": 2.5},
}


def _routes(service: str, questions: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if "actions" in questions:
        call = f"v1.{service}.{ACTION}"
        made["greet"] = {"method": "POST", "path": "/greet", "call": call}
        made["hello"] = {"method": "GET", "path": "/hello/{name}", "call": call}
    if "handlers" in questions:
        made["order_created"] = {"method": "PUT", "path": "/orders/{order_id}", "publish": "orders.order.created"}
    return made


def _longest_routes(service: str, questions: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if "actions" in questions:
        path = f"/{{{'p' * 40}}}/{'e' * 60}"
        made["b" * naming.HANDLER_MAX_LENGTH] = {
            "method": "PATCH",
            "path": path,
            "call": f"v1.{service}.{LONGEST_ACTION}",
        }
    if "handlers" in questions:
        path = f"/{{{'q' * 40}}}/{'s' * 150}"
        made["c" * naming.HANDLER_MAX_LENGTH] = {"method": "DELETE", "path": path, "publish": LONGEST_SUBJECT}
    return made
