"""Four released versions, and the natsgen of each."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from natsgen.workspace import Workspace
from tests.update import world
from tests.update.world import FIRST, FOURTH, SECOND, THIRD, Installed


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Installed]:
    """A natsgen of each release, by its version; each carries the releases up to its own."""
    folder = tmp_path_factory.mktemp("releases")
    root = world.template_repository(folder / "repository")
    found = {}
    changes = {FIRST: lambda root: None, SECOND: world.second, THIRD: world.third, FOURTH: world.fourth}
    for version, change in changes.items():
        world.make_release(root, version, change)
        found[version] = world.install(root, folder / version)
    return found


@pytest.fixture(scope="session")
def made(installed: Mapping[str, Installed], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the worker billing, made by the first release and committed."""
    folder = tmp_path_factory.mktemp("made") / "shop"
    folder.mkdir()
    installed[FIRST].do("new", "worker", "billing", "--subject", "orders.order.created", cwd=folder)
    world.commit(folder, "billing")
    return folder


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Workspace:
    """A copy of `made` for one test."""
    folder = tmp_path / "shop"
    shutil.copytree(made, folder, symlinks=True)
    return Workspace(folder)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    root = tmp_path / "empty"
    root.mkdir()
    return Workspace(root)
