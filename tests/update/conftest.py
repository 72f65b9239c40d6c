"""Four released versions, and the natsgen of each."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from natsgen.files.workspace import Workspace
from tests.update import world
from tests.update.world import FIRST, FOURTH, SECOND, THIRD, Installed

CHANGES = {FIRST: lambda root: None, SECOND: world.second, THIRD: world.third, FOURTH: world.fourth}


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a natsgen of each release, and a workspace; made by one worker for all."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "releases"
    folder.mkdir(exist_ok=True)
    complete = folder / "complete"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            root = world.template_repository(folder / "repository")
            for version, change in CHANGES.items():
                world.make_release(root, version, change)
                world.install(root, folder / version)
            shop = folder / "shop"
            shop.mkdir()
            Installed(folder / FIRST).do("new", "worker", "billing", "--subject", "orders.order.created", cwd=shop)
            world.commit(shop, "billing")
            complete.touch()
    return folder


@pytest.fixture(scope="session")
def installed(releases: Path) -> Mapping[str, Installed]:
    """A natsgen of each release, by its version; each carries the releases up to its own."""
    return {version: Installed(releases / version) for version in CHANGES}


@pytest.fixture(scope="session")
def made(releases: Path) -> Path:
    """A workspace with the worker billing, made by the first release and committed."""
    return releases / "shop"


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
