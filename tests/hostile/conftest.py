"""Places for cases, and one with services in it that is made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.cases import DEFAULT, GATEWAY
from tests.hostile.places import Place, make_place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path / "around")


@pytest.fixture(scope="session")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place whose workspace has the service `billing` and the gateway `api`, made of harmless answers."""
    place = make_place(tmp_path_factory.mktemp("harmless") / "around")
    for command in (DEFAULT, ("new", "gateway", GATEWAY, "--framework=fastapi")):
        ran = place.run(*command)
        assert ran.code == 0, ran.err
    return place


@pytest.fixture
def with_service(harmless: Place, tmp_path: Path) -> Place:
    """A place of the test's own whose workspace has the service `billing` and the gateway `api`."""
    return make_place(tmp_path / "around", harmless)
