"""Plain `copier copy` derives what the tool derives."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from natsgen.answers import answers, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.rendering import render, template_source

TEMPLATE = template_source.bundled()
GREET = {"method": "POST", "path": "/greet", "call": "v1.greeter.greet"}
ASKED = questions.read(TEMPLATE.folder)


@pytest.mark.parametrize(
    "given",
    [
        {"handlers": {"order_created": "Orders.order.created"}},
        {"handlers": {"paid": {"subject": "sales.paid", "batch": True}, "x": "a.b"}},
        {"actions": {"greet": {}}},
        {"actions": {"greet": {}, "greet_v2": {"action": "greet", "version": 2}, "leave": {"queue": False}}},
        {"framework": "fastapi"},
        {"framework": "django", "routes": {"greet": GREET, "leave": {**GREET, "path": "/{a}"}}},
        {"framework": "fastapi", "routes": {"greet": GREET}, "actions": {"hi": {}}, "handlers": {"x": "a.b"}},
        {"framework": "fastapi", "actions": {"hi": {}}},
        {"publishers": {"x": "Sales.b"}, "envelope": "message"},
        {
            "publishers": {"x": {"subject": "a.b", "core": True}},
            "subscribers": {"y": {"subject": "c.>", "queue_group": ""}},
        },
        {"subscribers": {"x": "*.b", "y": "c.d"}, "image": "alpine", "queue_group": "workers"},
        {"subscribers": {"x": "a.b"}, "handlers": {"x": "a.b"}, "publishers": {"x": "c.d"}, "publish_interval": "0.5"},
        {"tasks": {"send_email": {"queue": "emails"}, "send_sms": {"queue": "emails"}, "x": {"queue": "reports"}}},
        {"tasks": {"send": {"queue": "a"}}, "handlers": {"x": "a.b"}, "actions": {"hi": {}}},
        {"framework": "django", "tasks": {"send": {"queue": "a"}}, "routes": {"greet": GREET}},
        {"handlers": {"x": "a.b", "y": "c.d"}, "actions": {"greet": {"timeout": 0.5}, "leave": {}}},
    ],
)
def test_what_nobody_gives_is_the_same_without_the_tool(given: dict[str, Any]) -> None:
    data = {"service_name": "greeter", "workspace": "shop", **given}
    rendered = render.render(TEMPLATE, data)
    stored = yaml.safe_load(rendered[PurePosixPath("services/greeter/.copier-answers.yml")].content)
    told = answers.complete(GivenAnswers.of(data, {}), ASKED, Path("/srv/shop")).as_data()
    assert {key: value for key, value in stored.items() if not key.startswith("_")} == told
