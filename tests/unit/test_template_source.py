from __future__ import annotations

import os
import tomllib
from pathlib import Path, PurePosixPath

import pytest

import natsgen
from natsgen.errors import TemplateError
from natsgen.files import git, tree
from natsgen.files.tree import File
from natsgen.rendering import template_source
from natsgen.update import releases
from scripts.release import PARTS

REPOSITORY = Path(__file__).resolve().parents[2]


def test_in_a_checkout_the_template_is_the_repositorys_own() -> None:
    assert template_source.bundled().folder == REPOSITORY


def test_the_source_is_the_same_on_every_machine() -> None:
    found = template_source.bundled()
    assert (found.url, found.commit) == ("https://github.com/natsgen/natsgen.git", f"v{natsgen.__version__}")


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["version"] == natsgen.__version__


def test_each_version_is_one_template() -> None:
    """Check that what changes after a release has the next version, because services record their version."""
    names = git.run("ls-files", "-z", "--", *PARTS, folder=REPOSITORY).stdout.decode().split("\0")[:-1]
    files = [(PurePosixPath(name), REPOSITORY / name) for name in names]
    here = {path: File(file.read_bytes(), os.access(file, os.X_OK)) for path, file in files}
    with releases.bundled() as found:
        assert found.newest == f"v{natsgen.__version__}", "natsgen's version is older than its newest release"
        try:
            released = tree.read(found.at(found.newest).folder)
        except TemplateError:
            return  # it is not released yet
    assert tree.differences(released, here) == [], f"{found.newest} is released: set the next version"


def test_a_package_without_its_template_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(natsgen, "__file__", str(tmp_path / "lib" / "natsgen" / "__init__.py"))
    with pytest.raises(TemplateError, match="reinstall"):
        template_source.bundled()
