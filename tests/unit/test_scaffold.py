from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from natsgen.answers import answers, questions
from natsgen.answers.answers import Answers
from natsgen.answers.given_answers import GivenAnswers
from natsgen.errors import ConflictError, NatsgenError, UnsafePathError
from natsgen.files import tree
from natsgen.files.workspace import Workspace
from natsgen.parts.handlers import Handler
from natsgen.rendering import template_source
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import create
from natsgen.services.create import Outcome
from natsgen.services.writer import Writer

BILLING = Answers(
    {"service_name": "billing", "bounded_context": "orders", "description": "Bills", "workspace": "shop"},
    {"handlers": (Handler("paid", "orders.paid"),)},
)
Make = Callable[..., Outcome]


def other(**values: str) -> Answers:
    """Return the answers of another service."""
    return Answers({**BILLING.values, **values}, BILLING.parts)


@pytest.fixture
def make(workspace: Workspace, template: TemplateSource) -> Make:
    asked = questions.read(template.folder)

    def make(wanted: Answers = BILLING, *, dry_run: bool = False, at: Workspace = workspace) -> Outcome:
        return create.new_service(Writer(at, dry_run, print), template, asked, wanted)

    return make


def test_the_rendered_tree_is_in_the_workspace(workspace: Workspace, make: Make) -> None:
    outcome = make()
    assert tuple(tree.read(workspace.root)) == outcome.change.added
    assert (workspace.root / "services/billing/text.txt").read_text() == "Bills\n"


def test_an_existing_service_is_refused_and_stays_as_it_is_byte_for_byte(workspace: Workspace, make: Make) -> None:
    make()
    before = tree.read(workspace.root)
    with pytest.raises(ConflictError, match=r"'billing' exists already in .* \(services/billing\)"):
        make(other(description="Other"))
    assert tree.read(workspace.root) == before


@pytest.mark.parametrize("there", ["services/billing", "compose/billing.yml"])
def test_anything_under_the_name_of_the_service_is_refused(workspace: Workspace, make: Make, there: str) -> None:
    (workspace.root / there).parent.mkdir()
    (workspace.root / there).symlink_to("nowhere")
    with pytest.raises(ConflictError, match=there):
        make()
    assert tree.read(workspace.root) == {}


def test_a_file_that_is_written_once_is_kept_where_it_exists(workspace: Workspace, make: Make) -> None:
    (workspace.root / "compose").mkdir()
    (workspace.root / "compose/shared.yml").write_text("mine\n")
    outcome = make()
    assert outcome.kept == (PurePosixPath("compose/shared.yml"),)
    assert (workspace.root / "compose/shared.yml").read_text() == "mine\n"


def test_a_second_service_shares_what_the_first_one_made(workspace: Workspace, make: Make) -> None:
    make()
    outcome = make(other(service_name="audit"))
    assert outcome.kept == (PurePosixPath("compose/shared.yml"),)
    assert workspace.services() == ("audit", "billing")


def test_a_dry_run_writes_nothing_and_has_the_same_files(workspace: Workspace, make: Make) -> None:
    planned = make(dry_run=True)
    assert list(workspace.root.iterdir()) == []
    assert make() == planned


def test_a_dry_run_does_not_make_the_workspace(workspace: Workspace, make: Make) -> None:
    make(dry_run=True, at=Workspace(workspace.root / "new"))
    assert list(workspace.root.iterdir()) == []


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("link", ["services", "compose"])
def test_nothing_is_written_through_a_symlink_that_leads_out(
    workspace: Workspace, make: Make, tmp_path: Path, link: str, dry_run: bool
) -> None:
    (tmp_path / "outside").mkdir()
    (workspace.root / link).symlink_to(tmp_path / "outside")
    with pytest.raises(UnsafePathError):
        make(dry_run=dry_run)
    assert list((tmp_path / "outside").iterdir()) == []


def test_two_at_once_make_both_services(workspace: Workspace, make: Make) -> None:
    names = ["audit", "billing", "checkout", "delivery"]
    failures = at_once(make, [other(service_name=name) for name in names])
    assert failures == []
    assert workspace.services() == tuple(names)
    assert {path.name for path in workspace.root.iterdir()} == {"compose", "services"}


def test_two_at_once_for_one_name_make_it_once(workspace: Workspace, make: Make) -> None:
    failures = at_once(make, [BILLING, other(description="Other")])
    assert [type(error) for error in failures] == [ConflictError]
    assert (workspace.root / "services/billing/text.txt").read_text() in ("Bills\n", "Other\n")


def test_the_real_template_has_the_files_that_the_tool_speaks_of(workspace: Workspace) -> None:
    template = template_source.bundled()
    asked = questions.read(template.folder)
    given = GivenAnswers.of({"service_name": "billing", "handlers": {"order_created": "orders.order.created"}}, {})
    wanted = answers.complete(given, asked, workspace.root)
    create.new_service(Writer(workspace, False, print), template, asked, wanted)
    for path in ("services/billing/src/domain/handlers/order_created_handler.py", "compose/billing.yml"):
        assert (workspace.root / path).is_file()


def at_once(make: Make, wanted: list[Answers]) -> list[NatsgenError]:
    failures: list[NatsgenError] = []

    def attempt(one: Answers) -> None:
        try:
            make(one)
        except NatsgenError as error:
            failures.append(error)

    threads = [threading.Thread(target=attempt, args=(one,)) for one in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return failures
