"""Hostile answers: each is refused in one line, or is plain data in a tree that parses; nothing else is touched."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from tests.hostile import oracle
from tests.hostile.cases import COMMANDS, EITHER, FOLDERS, HANDLER, NEW_WORKER, REFUSED, SERVICE, TAKEN, Case
from tests.hostile.conftest import WORKSPACE, Place
from tests.hostile.oracle import Ran


def ids(cases: list[Case]) -> list[str]:
    return [ascii(case.name)[1:-1] for case in cases]


def test_the_corpus_is_large_enough() -> None:
    names = ids([*NEW_WORKER, *FOLDERS, *COMMANDS])
    assert len(names) >= 200
    assert len(names) == len(set(names))


@pytest.mark.parametrize("case", NEW_WORKER, ids=ids(NEW_WORKER))
def test_a_new_worker_is_refused_or_holds_what_was_typed(case: Case, place: Place, harmless: Place) -> None:
    put_files(case, place)

    ran = place.run(*with_options_first(case.arguments))

    if is_refused(case, ran):
        return
    oracle.check_only_inside(ran, WORKSPACE)
    oracle.check_tree(place.workspace, case.files)
    service = str(case.typed.get("service_name", case.service))
    made = {PurePosixPath(path).relative_to(WORKSPACE) for path in ran.changed - {WORKSPACE}}
    assert {path.parts[:2] for path in made if path.parts[0] == "services"} == {("services",), ("services", service)}
    assert {path.parts[0] for path in made} == {"services", "compose"}
    said = oracle.values(place.workspace, service)
    for question, typed in case.typed.items():
        assert all(value == typed for value in said[question]), f"{question}: typed {typed!r}, read {said[question]!r}"
    assert all(value == said[question][0] for question in said for value in said[question]), said
    if case.service == SERVICE:
        assert dockerfile(place) == dockerfile(harmless)


@pytest.mark.parametrize("case", FOLDERS, ids=ids(FOLDERS))
def test_a_folder_of_any_name_is_refused_or_is_the_workspace(case: Case, place: Place) -> None:
    folder = case.arguments[-1].removeprefix("--workspace=")

    ran = place.run(*case.arguments)

    if is_refused(case, ran):
        return
    oracle.check_only_inside(ran, f"{WORKSPACE}/{folder}")
    oracle.check_tree(place.workspace / folder)
    said = oracle.values(place.workspace / folder, SERVICE)
    assert len(set(said["workspace"])) == 1


@pytest.mark.parametrize("case", COMMANDS, ids=ids(COMMANDS))
def test_other_commands_refuse_or_do_what_was_typed(case: Case, with_service: Place) -> None:
    ran = with_service.run(*with_options_first(case.arguments))

    if is_refused(case, ran):
        return
    assert case.arguments[0] == "add-handler"
    oracle.check_only_inside(ran, WORKSPACE)
    oracle.check_tree(with_service.workspace)
    handlers = oracle.handlers(with_service.workspace / "services" / SERVICE)
    (name,) = handlers.keys() - {HANDLER}
    assert {path.removeprefix(f"{WORKSPACE}/services/{SERVICE}/") for path in ran.changed} == {
        f"src/domain/handlers/{name}_handler.py",
        f"tests/handlers/test_{name}_handler.py",
    }
    said = {"name": name, **handlers[name]}
    assert {question: said.get(question) for question in case.typed} == case.typed


def is_refused(case: Case, ran: Ran) -> bool:
    """Whether the command refused; how it did, and whether it should have, is checked."""
    if ran.code != 0:
        oracle.check_refused(ran)
        assert case.outcome in (REFUSED, EITHER), ran.err
        return True
    assert case.outcome in (TAKEN, EITHER), ran.out
    return False


def put_files(case: Case, place: Place) -> None:
    for path, content in case.files.items():
        (place.workspace / path).write_bytes(content)


def with_options_first(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """`--no-input` is added at the end, where it would be a name after `--`."""
    if "--" not in arguments:
        return arguments
    where = arguments.index("--")
    return (*arguments[:where], "--no-input", *arguments[where:])


def dockerfile(place: Place) -> list[str]:
    """The instructions of the service's Dockerfile."""
    return oracle.instructions((place.workspace / "services" / SERVICE / "Dockerfile").read_text())
