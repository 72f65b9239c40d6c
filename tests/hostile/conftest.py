"""A workspace with something around it that must stay as it is."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hostile import oracle
from tests.hostile.cases import DEFAULT, GATEWAY

WORKSPACE = "shop"


@dataclass(frozen=True)
class Place:
    """Where a case happens.

    Attributes:
        around: the folder in which everything is watched.
        workspace: a folder in it, the current one of the command.
        outside: another folder in it, with what must not be touched.
    """

    around: Path
    workspace: Path
    outside: Path

    def run(self, *arguments: str) -> oracle.Ran:
        """Runs natsgen in the workspace, which asks nothing."""
        quiet = [] if "--no-input" in arguments else ["--no-input"]
        return oracle.run([*arguments, *quiet], here=self.workspace, around=self.around)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path / "around")


def make_place(around: Path) -> Place:
    """An empty workspace beside a folder of somebody else."""
    place = Place(around, around / WORKSPACE, around / "outside")
    place.workspace.mkdir(parents=True)
    place.outside.mkdir()
    (place.outside / "precious.txt").write_text("do not touch\n")
    (place.around / "billing").mkdir()
    return place


@pytest.fixture(scope="session")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place whose workspace has the service `billing` and the gateway `api`, made of harmless answers."""
    place = make_place(tmp_path_factory.mktemp("harmless") / "around")
    for command in (DEFAULT, ("new", "gateway", GATEWAY, "--framework=fastapi")):
        ran = place.run(*command)
        assert ran.code == 0, ran.err
    return place


@pytest.fixture
def with_service(harmless: Place, place: Place) -> Place:
    """A place of the test's own whose workspace has the service `billing` and the gateway `api`."""
    shutil.copytree(harmless.workspace, place.workspace, dirs_exist_ok=True)
    return place
