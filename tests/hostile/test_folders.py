"""Hostile names of the folder that is the workspace."""

from __future__ import annotations

import pytest

from tests.hostile import oracle
from tests.hostile.cases import FOLDERS, SERVICE, Case
from tests.hostile.checks import ids, is_refused
from tests.hostile.places import WORKSPACE, Place


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
