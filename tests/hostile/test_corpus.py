"""Hostile answers: each is refused in one line, or is plain data in a tree that parses; nothing else is touched."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from tests.hostile import oracle
from tests.hostile.cases import COMMANDS, FOLDERS, NEW_WORKER, SERVICE, Case
from tests.hostile.checks import ids, is_refused, with_options_first
from tests.hostile.conftest import WORKSPACE, Place


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


def put_files(case: Case, place: Place) -> None:
    for path, content in case.files.items():
        (place.workspace / path).write_bytes(content)


def dockerfile(place: Place) -> list[str]:
    """The instructions of the service's Dockerfile."""
    return oracle.instructions((place.workspace / "services" / SERVICE / "Dockerfile").read_text())
