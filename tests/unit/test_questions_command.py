"""`natsgen questions`: its JSON Schema accepts exactly the answers that `natsgen new` accepts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from natsgen.answers import json_schema
from natsgen.cli import main
from natsgen.errors import FAILED, WRONG_INPUT, InputError, NatsgenError
from natsgen.parts import naming
from natsgen.parts.kinds import KINDS
from natsgen.parts.publishers import INTERVAL
from natsgen.services import create

HANDLER = {"handlers": {"order_created": "orders.order.created"}}
ROUTE = {"method": "POST", "path": "/orders/{order_id}", "publish": "orders.order.created"}
DOCUMENTS: list[tuple[bool, str, dict[str, Any]]] = [
    (True, "worker", HANDLER),
    (False, "worker", {"service_name": "Billing", **HANDLER}),
    (False, "worker", {"service_name": "asyncio", **HANDLER}),
    (False, "worker", {"service_name": "concurrent", **HANDLER}),
    (False, "worker", {}),
    (False, "worker", {"handlers": {}}),
    (False, "worker", {"publishers": {"events_test": "events.test"}}),
    (True, "worker", {"handlers": {"a": {"subject": "orders.>", "durable": "d", "concurrency": 10000, "batch": True}}}),
    (False, "worker", {"handlers": {"a": {"subject": "orders.>", "concurrency": 0}}}),
    (False, "worker", {"handlers": {"a": {"subject": "orders.>", "concurrency": "2"}}}),
    (False, "worker", {"handlers": {"a": {"subject": "orders.>", "prefetch": 1}}}),
    (False, "worker", {"handlers": {"a": {"durable": "d"}}}),
    (False, "worker", {"handlers": {"a": None}}),
    (False, "worker", {"handlers": ["orders.order.created"]}),
    (False, "worker", {"handlers": {"event": "orders.order.created"}}),
    (True, "worker", {"tasks": {"send": {"queue": "emails", "priority": "low", "timeout": 0.5, "max_attempts": 1}}}),
    (False, "worker", {"tasks": {"send": "emails"}}),
    (False, "worker", {"tasks": {"send": {"priority": "low"}}}),
    (False, "worker", {"tasks": {"send": {"queue": "emails", "priority": "urgent"}}}),
    (False, "worker", {"tasks": {"import": {"queue": "emails"}}}),
    (True, "worker", {**HANDLER, "dedup": "nats-kv", "image": "alpine", "python_version": "3.11"}),
    (False, "worker", {**HANDLER, "dedup": "memory"}),
    (False, "worker", {**HANDLER, "python_version": "2.7"}),
    (False, "worker", {**HANDLER, "colour": "red"}),
    (True, "worker", {**HANDLER, "labels": {"team": "payments"}, "registry": "r.example.com:80/a", "network": "n"}),
    (False, "worker", {**HANDLER, "labels": {"bounded-context": "x"}}),
    (False, "worker", {**HANDLER, "labels": {"team": 1}}),
    (False, "worker", {**HANDLER, "registry": "https://r.example.com"}),
    (True, "worker", {**HANDLER, "extras": ["kv", "tasks"]}),
    (False, "worker", {**HANDLER, "extras": ["handlers"]}),
    (False, "worker", {**HANDLER, "extras": "kv"}),
    (True, "worker", {**HANDLER, "deploy": ["catalog"]}),
    (False, "worker", {**HANDLER, "deploy": ["helm"]}),
    (False, "worker", {**HANDLER, "routes": {"place": ROUTE}}),
    (True, "gateway", {"framework": "fastapi", "routes": {"place": ROUTE}}),
    (False, "gateway", {"framework": "none", "routes": {"place": ROUTE}}),
    (False, "gateway", {"framework": "fastapi", "routes": {"place": {**ROUTE, "call": "v1.a.b"}}}),
    (False, "gateway", {"framework": "fastapi", "routes": {"place": {**ROUTE, "path": "/metrics"}}}),
    (False, "gateway", {"framework": "fastapi", "routes": {"place": {**ROUTE, "publish": "orders.*"}}}),
    (True, "service", {"actions": {"greet": {}}}),
    (True, "service", {"actions": {"greet": {"action": "greet", "version": 0, "queue": False}}}),
    (False, "service", {"actions": {"greet": None}}),
    (False, "service", {"actions": {"test_it": {}}}),
    (False, "service", HANDLER),
    (True, "publisher", {"publishers": {"events_test": {"subject": "events.test", "interval": 0.001, "core": True}}}),
    (False, "publisher", {"publishers": {"events_test": "events.*"}}),
    (True, "subscriber", {"subscribers": {"events_test": {"subject": "*.test", "queue_group": ""}}}),
    (False, "subscriber", {"subscribers": {"events_test": "dlq.>"}}),
]


def schema(kind: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["questions", kind, "--json-schema"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_schema_accepts_what_natsgen_new_accepts(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def accepted(*_: object) -> None:
        raise NatsgenError("accepted")

    monkeypatch.setattr(create, "new_service", accepted)
    validators = {kind: Draft202012Validator(schema(kind, capsys)) for kind in sorted({row[1] for row in DOCUMENTS})}
    for validator in validators.values():
        validator.check_schema(validator.schema)
    for is_valid, kind, answers in DOCUMENTS:
        document = {"service_name": "billing", **answers}
        (here / "answers.json").write_text(json.dumps(document))
        code = main(["new", kind, "--data-file", "answers.json", "--no-input"])
        expected = (is_valid, FAILED if is_valid else WRONG_INPUT)
        assert (validators[kind].is_valid(document), code) == expected, (document, capsys.readouterr().err)


RULES: Mapping[str, tuple[Mapping[str, Any], Callable[[str], object]]] = {
    **{
        f"{kind.noun} {option.key}": (option.rule.schema, option.rule.check)
        for kind in KINDS.values()
        for option in kind.options
        if option.rule.schema["type"] == "string"
    },
    **{f"{kind.noun} name": (kind.name.schema, kind.name.check) for kind in KINDS.values()},
    "service_name": (json_schema.FORMS["service_name"], naming.service),
    "description": (json_schema.FORMS["description"], naming.description),
    "registry": (json_schema.FORMS["registry"], naming.registry),
    "publish_interval": (json_schema.FORMS["publish_interval"], INTERVAL.parse),
}
PIECES = (
    "a",
    "B",
    "_",
    "-",
    ".",
    "*",
    ">",
    "$",
    "/",
    "{a}",
    "{class}",
    " ",
    "\u2028",
    "0",
    "1",
    "86400",
    "dlq",
    "DLQ",
    "test",
    "é",
)


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
def test_each_pattern_says_the_same_as_its_rule(text: str) -> None:
    for name, (form, check) in RULES.items():
        try:
            check(text)
            is_valid = True
        except InputError:
            is_valid = False
        assert Draft202012Validator(form).is_valid(text) == is_valid, name


def test_a_backstage_template_has_the_schema_and_a_wrong_kind_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    asked = schema("gateway", capsys)
    assert main(["questions", "gateway", "--backstage"]) == 0
    found = yaml.safe_load(capsys.readouterr().out)
    answers = found["spec"]["parameters"][0]["properties"]["answers"]
    assert {key: value for key, value in answers.items() if key != "title"}.items() <= asked.items()
    assert main(["questions", "gatway"]) == 2
    assert "did you mean 'gateway'?" in capsys.readouterr().err
