"""Where the files of parts are, and whose they are."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from natsgen.parts import kinds
from natsgen.parts.actions import ACTIONS
from natsgen.parts.handlers import HANDLERS
from natsgen.parts.kind import PartKind
from natsgen.parts.publishers import PUBLISHERS
from natsgen.parts.routes import ROUTES
from natsgen.parts.subscribers import SUBSCRIBERS
from natsgen.parts.tasks import TASKS


def test_a_part_is_a_file_and_a_test() -> None:
    assert [str(path) for path in HANDLERS.paths("billing", "paid")] == [
        "services/billing/src/domain/handlers/paid_handler.py",
        "services/billing/tests/handlers/test_paid_handler.py",
    ]
    assert [str(path) for path in ACTIONS.paths("greeter", "greet")] == [
        "services/greeter/src/domain/actions/greet_action.py",
        "services/greeter/tests/actions/test_greet_action.py",
    ]
    assert [str(path) for path in ROUTES.paths("api", "greet")] == [
        "services/api/src/web/routes/greet_route.py",
        "services/api/tests/routes/test_greet_route.py",
    ]
    assert [str(path) for path in TASKS.paths("mailer", "send_email")] == [
        "services/mailer/src/domain/tasks/send_email_task.py",
        "services/mailer/tests/tasks/test_send_email_task.py",
    ]
    assert [str(path) for path in PUBLISHERS.paths("beat", "paid")] == [
        "services/beat/src/domain/publishers/paid_publisher.py",
        "services/beat/tests/publishers/test_paid_publisher.py",
    ]
    assert [str(path) for path in SUBSCRIBERS.paths("ear", "paid")] == [
        "services/ear/src/domain/subscribers/paid_subscriber.py",
        "services/ear/tests/subscribers/test_paid_subscriber.py",
    ]


@pytest.mark.parametrize(
    ("there", "name"),
    [
        ({HANDLERS, PUBLISHERS, SUBSCRIBERS}, "worker"),
        ({TASKS}, "worker"),
        ({ACTIONS}, "service"),
        ({ACTIONS, SUBSCRIBERS}, "service"),
        ({PUBLISHERS}, "publisher"),
        ({SUBSCRIBERS}, "subscriber"),
        ({PUBLISHERS, SUBSCRIBERS}, "service"),
        (set(), "service"),
    ],
)
def test_a_service_is_called_after_what_is_in_it(there: set[PartKind], name: str) -> None:
    assert kinds.kind_of(False, there) == name
    assert kinds.kind_of(True, there) == "gateway"


@pytest.mark.parametrize("kind", kinds.KINDS.values())
def test_parts_and_their_tests_are_a_persons_own(kind: PartKind) -> None:
    assert kinds.is_owners(kind.file("paid"))
    assert kinds.is_owners(kind.test("paid"))
    for path in (kind.folder / "__init__.py", PurePosixPath("src") / f"paid{kind.suffix}", kind.tests / "__init__.py"):
        assert not kinds.is_owners(path)
