from __future__ import annotations

from pathlib import Path

import pytest

from natsgen.errors import InputError, ServiceError
from natsgen.files.workspace import Workspace
from natsgen.services import listing


def make(workspace: Workspace, name: str, answers: str = "_commit: v0.1.0\n") -> Path:
    folder = workspace.root / "services" / name
    (folder / "src/domain/handlers").mkdir(parents=True)
    (folder / ".copier-answers.yml").write_text(answers)
    return folder


def test_services_are_the_folders_with_answers(workspace: Workspace) -> None:
    assert listing.names(workspace) == ()
    make(workspace, "billing")
    make(workspace, "audit")
    (workspace.root / "services" / "other").mkdir()
    assert listing.names(workspace) == ("audit", "billing")


@pytest.mark.parametrize(
    ("answers", "version"),
    [
        ("# x\n_commit: v0.1.0\n_src_path: y\n", "v0.1.0"),
        ("_commit: '1.0'\n", "1.0"),
        ('_commit: "v1"  \n', "v1"),
        ("x: {_commit: no}\n", ""),
        ("", ""),
    ],
)
def test_the_version_is_read_without_parsing_the_rest(workspace: Workspace, answers: str, version: str) -> None:
    make(workspace, "billing", answers)
    found = listing.service(workspace, "billing")
    assert (found.kind, found.version, found.error) == ("worker", version, "")


def test_a_service_that_only_answers_is_no_worker(workspace: Workspace) -> None:
    folder = make(workspace, "greeter")
    (folder / "src/domain/actions").mkdir()
    (folder / "src/domain/actions/greet_action.py").write_text('@action("greet")\nasync def greet(request): ...')
    assert listing.service(workspace, "greeter").kind == "service"
    (folder / "src/domain/handlers/x_handler.py").write_text('@subscriber("a.b")\nasync def handle_x(e): ...')
    assert listing.service(workspace, "greeter").kind == "worker"


def test_a_service_with_a_folder_for_routes_is_a_gateway_whatever_else_it_does(workspace: Workspace) -> None:
    folder = make(workspace, "api")
    (folder / "src/web/routes").mkdir(parents=True)
    (folder / "src/web/routes/greet_route.py").write_text('@route("GET", "/")\nasync def greet(request): ...')
    (folder / "src/domain/handlers/x_handler.py").write_text('@subscriber("a.b")\nasync def handle_x(e): ...')
    found = listing.service(workspace, "api")
    assert found.kind == "gateway"
    assert [file.name for file in found.files] == ["x", "greet"]


def test_answers_that_cannot_be_read_are_told_and_hide_no_handler(workspace: Workspace) -> None:
    folder = make(workspace, "billing")
    (folder / ".copier-answers.yml").unlink()
    (folder / ".copier-answers.yml").mkdir()
    (folder / "src/domain/handlers/x_handler.py").write_text('@subscriber("a.b")\nasync def handle_x(e): ...')
    found = listing.service(workspace, "billing")
    assert found.error == ".copier-answers.yml: it is a folder, not a regular file"
    assert [file.name for file in found.files] == ["x"]


@pytest.mark.parametrize("name", ["", ".", "..", "../services/billing", "billing/", "billin"])
def test_what_is_no_service_is_refused(workspace: Workspace, name: str) -> None:
    make(workspace, "billing")
    with pytest.raises(InputError, match=r"unknown service .* \(available: billing\)"):
        listing.require_service(workspace, name)


def test_a_folder_that_no_template_made_is_not_taken_for_a_service(workspace: Workspace) -> None:
    (workspace.root / "services" / "other").mkdir(parents=True)
    with pytest.raises(ServiceError, match=r"it was not created by natsgen, or the file is lost; .* natsgen adopt"):
        listing.require_service(workspace, "other")


def test_of_many_services_a_message_names_a_few(workspace: Workspace) -> None:
    for number in range(12):
        make(workspace, f"s{number:02}")
    with pytest.raises(InputError, match=r"\(available: s00, .*, s09 and 2 more\)"):
        listing.require_service(workspace, "nothing-like-it")
