from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import natsgen
from natsgen.errors import TemplateError
from natsgen.rendering import template_source

REPOSITORY = Path(__file__).resolve().parents[2]


def test_in_a_checkout_the_template_is_the_repositorys_own() -> None:
    assert template_source.bundled().folder == REPOSITORY


def test_the_source_is_the_same_on_every_machine() -> None:
    found = template_source.bundled()
    assert (found.url, found.commit) == ("https://github.com/natsgen/natsgen.git", f"v{natsgen.__version__}")


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["version"] == natsgen.__version__


def test_a_package_without_its_template_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(natsgen, "__file__", str(tmp_path / "lib" / "natsgen" / "__init__.py"))
    with pytest.raises(TemplateError, match="reinstall"):
        template_source.bundled()
