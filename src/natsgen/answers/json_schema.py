"""The template's questions as JSON Schema (draft 2020-12), for forms and for editors of data files.

The schema accepts what `natsgen new --data-file` accepts, apart from rules between entries, such as two routes with the
same path. Patterns are in the syntax of ECMA 262, as the standard says.
"""

from __future__ import annotations

import keyword
import sys
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from typing import Any

from natsgen.answers.answers import FRAMEWORKS
from natsgen.answers.questions import Question, Questionnaire
from natsgen.parts import naming, packages
from natsgen.parts.kind import PartKind
from natsgen.parts.kinds import KINDS
from natsgen.parts.rules import matching
from natsgen.parts.subscribers import GROUP

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_FRAMEWORK = "framework"
_SERVICE_NAME = "service_name"
_TYPES = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "switch": {"type": "boolean"},
    "mapping": {"type": "object"},
    "any": {},
}


def schema(questionnaire: Questionnaire, needs: Collection[str]) -> dict[str, Any]:
    """Return the schema of the answers to a template's questions.

    Args:
        questionnaire: the template's questions.
        needs: the questions of which one needs an answer that is not empty.
    """
    asked = questionnaire.questions
    found: dict[str, Any] = {
        "type": "object",
        "properties": {key: _of_question(question) for key, question in asked.items()},
        "required": [_SERVICE_NAME],
        "additionalProperties": False,
    }
    if known := [key for key in needs if key in asked]:
        found["anyOf"] = [_answered(key) for key in known]
    if _FRAMEWORK in asked:
        found["allOf"] = [
            {"if": _answered(key), "then": _answered(_FRAMEWORK)} for key, kind in KINDS.items() if kind.for_gateways
        ]
    return found


def _answered(key: str) -> dict[str, Any]:
    """Return the schema of answers that have one for a question."""
    form = {"enum": list(FRAMEWORKS)} if key == _FRAMEWORK else {"minProperties": 1}
    return {"required": [key], "properties": {key: form}}


def _of_question(question: Question) -> dict[str, Any]:
    found: dict[str, Any] = {"title": question.key.replace("_", " ").capitalize()}
    if question.help:
        found["description"] = question.help
    if question.default is not None:
        found["default"] = question.default
    return {**found, **_form(question)}


def _form(question: Question) -> dict[str, Any]:
    if kind := KINDS.get(question.key):
        return _of_parts(kind)
    if question.kind in ("texts", "choices"):
        entries = packages.NAMES.get(question.key, question.choices)
        return {"type": "array", "items": {"type": "string", **({"enum": list(entries)} if entries else {})}}
    if question.meanings:
        return {"type": "string", "oneOf": [{"const": one, "title": text} for one, text in question.meanings.items()]}
    if question.choices:
        return {"type": "string", "enum": list(question.choices)}
    return FORMS.get(question.key) or _TYPES[question.kind]


def _of_parts(kind: PartKind) -> dict[str, Any]:
    required = {one.name for one in fields(kind.part) if one.default is MISSING}
    part: dict[str, Any] = {
        "type": "object",
        "properties": {option.key: option.rule.schema for option in kind.options},
        "required": [option.key for option in kind.options if option.key in required],
        "additionalProperties": False,
    }
    if kind.either:
        part["oneOf"] = [{"required": [key]} for key in kind.either]
    if kind.may_be_short:
        part = {"anyOf": [kind.options[0].rule.schema, part]}
    return {"type": "object", "propertyNames": kind.name.schema, "additionalProperties": part}


def _service_names() -> dict[str, Any]:
    words = {*naming.RESERVED_SERVICES, *naming.YAML_WORDS, *keyword.kwlist, *sys.stdlib_module_names}
    names = {word.replace("_", "-") for word in words}
    taken = sorted(name for name in names if naming.SERVICE.fullmatch(name))
    return matching(naming.SERVICE.pattern, naming.SERVICE_MAX_LENGTH, **{"not": {"enum": taken}})


def _hidden() -> str:
    """Return the content of a character class with the characters that no text may contain."""
    hidden = [*naming.DECEIVING, "\u2028", "\u2029", "\ufffe", "\uffff"]
    return r"\u0000-\u001f\u007f-\u009f\ud800-\udfff" + "".join(f"\\u{ord(one):04x}" for one in sorted(hidden))


_LABELS = {
    "type": "object",
    "maxProperties": naming.LABELS_MAX,
    "propertyNames": matching(
        naming.LABEL.pattern, naming.LABEL_MAX_LENGTH, **{"not": {"enum": sorted(naming.RESERVED_LABELS)}}
    ),
    "additionalProperties": matching(f"[^{_hidden()}]*", naming.LABEL_VALUE_MAX_LENGTH),
}
_TOO_FEW = r"0(\.00?|\.000[0-9]*)?"  # seconds: less than 0.001
_TOO_MANY = (
    r"(8640[1-9]|864[1-9][0-9]|86[5-9][0-9]{2}|8[7-9][0-9]{3}|9[0-9]{4})(\..*)?|86400\.0*[1-9].*"  # more than a day
)
_SECONDS = matching(
    r"(0|[1-9][0-9]{0,4})(\.[0-9]{1,6})?",
    12,
    **{"not": {"pattern": rf"^({_TOO_FEW}|{_TOO_MANY})$"}},
)
FORMS: Mapping[str, dict[str, Any]] = {
    _SERVICE_NAME: _service_names(),
    "bounded_context": matching(naming.CONTEXT.pattern, naming.CONTEXT_MAX_LENGTH),
    "description": matching(f" *[^ {_hidden()}][^{_hidden()}]*", naming.DESCRIPTION_MAX_LENGTH),
    "workspace": matching(naming.WORKSPACE.pattern, naming.WORKSPACE_MAX_LENGTH),
    "network": matching(f"({naming.NETWORK.pattern})?", naming.NETWORK_MAX_LENGTH),
    "registry": matching(f"({naming.REGISTRY.pattern})?", naming.REGISTRY_MAX_LENGTH),
    "labels": _LABELS,
    "publish_interval": _SECONDS,
    "queue_group": GROUP.schema,
}
"""The schemas of the answers that have a rule of their own, by question."""
