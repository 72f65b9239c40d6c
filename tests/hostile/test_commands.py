"""Hostile names of folders, and hostile arguments of the commands that work on a service that is there."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from natsgen import packages
from natsgen.parts import ACTIONS, HANDLERS, KINDS, PUBLISHERS, ROUTES, SUBSCRIBERS, TASKS
from tests.hostile import oracle
from tests.hostile.cases import COMMANDS, FOLDERS, HANDLER, SERVICE, Case
from tests.hostile.checks import ids, is_refused, with_options_first
from tests.hostile.conftest import WORKSPACE, Place

READ = {
    HANDLERS: oracle.handlers,
    ACTIONS: oracle.actions,
    ROUTES: oracle.routes,
    TASKS: oracle.tasks,
    PUBLISHERS: oracle.publishers,
    SUBSCRIBERS: oracle.subscribers,
}


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
    (kind,) = (kind for kind in KINDS if case.arguments[0] == f"add-{kind.noun}")
    oracle.check_only_inside(ran, WORKSPACE)
    oracle.check_tree(with_service.workspace)
    found = READ[kind](with_service.workspace / "services" / case.service)
    (name,) = found.keys() - ({HANDLER} if kind is HANDLERS else set())
    folder = PurePosixPath(WORKSPACE, "services", case.service)
    changed = {PurePosixPath(path).relative_to(folder) for path in ran.changed}
    files = {path for path in changed if not (with_service.workspace / "services" / case.service / path).is_dir()}
    parts, needed = {kind.file(name), kind.test(name)}, packages.closure(kind.needs)
    assert parts <= files
    assert all(needed.intersection(packages.of_path(path)) for path in files - parts)
    said = {"name": name, **found[name]}
    assert {question: said.get(question) for question in case.typed} == case.typed
