"""Places for cases, and one with services in it that is made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from natsgen.parts import packages
from natsgen.rendering import template_source
from tests.hostile.cases import DEFAULT, GATEWAY
from tests.hostile.places import Place, make_place

SERVICE = Path("template/services/{{ service_name }}")
READ = ("src/config.py", "src/main.py", *(package.marker for package in packages.PACKAGES))
"""Plain files of a service that a command or a test looks at."""


@pytest.fixture(scope="package", autouse=True)
def lean_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The bundled template without the Python files that are plain, which no answer gets into: they only take time."""
    bundled = template_source.bundled()
    folder = tmp_path_factory.mktemp("lean") / "template"
    for part in ("template", "includes"):
        shutil.copytree(bundled.folder / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    shutil.copy(bundled.folder / "copier.yml", folder)
    for file in (folder / SERVICE).rglob("*.py"):
        path = file.relative_to(folder / SERVICE).as_posix()
        if file.name != "__init__.py" and path not in READ and "{" not in path:
            file.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(template_source, "bundled", lambda: replace(bundled, folder=folder))
        yield


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path / "around")


@pytest.fixture(scope="package")
def harmless(lean_template: None, tmp_path_factory: pytest.TempPathFactory) -> Place:
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
