"""`make release`: the template joins the released ones, and what would break an update is refused."""

from __future__ import annotations

import re
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from natsgen.files import tree
from natsgen.update import releases
from natsgen.update.releases import Releases
from scripts import release
from scripts.release import Place, ReleaseError
from tests.update import world

COPIER_YML = """
_subdirectory: template
_answers_file: services/{{ service_name }}/.copier-answers.yml
service_name: {type: str, help: Name}
dedup: {type: str, choices: [none, redis], default: none}
"""

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- all\n\n## [0.0.1] - x\n\n- old\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What a release is made of, made small."""
    root = tmp_path / "repository"
    (root / "template/services/{{ service_name }}").mkdir(parents=True)
    (root / "includes").mkdir()
    (root / "src/natsgen/update").mkdir(parents=True)
    (root / "copier.yml").write_text(COPIER_YML)
    (root / "includes/part.jinja").write_text("part")
    (root / "template/services/{{ service_name }}/run.sh").write_text("#!/bin/sh\n")
    (root / "template/services/{{ service_name }}/run.sh").chmod(0o755)
    (root / ".gitignore").write_text("litter\n")
    (root / "pyproject.toml").write_text('[project]\nname = "natsgen"\nversion = "0.0.1"\n[x]\ny = "version = 3"\n')
    (root / "src/natsgen/__init__.py").write_text('"""Text."""\n__version__ = "0.0.1"\n')
    (root / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- all\n\n## [0.0.1] - x\n\n- old\n"
    )
    world.commit(root)
    return root


def release_as(repository: Path, version: str) -> None:
    release.release(Place.at(repository), version, world.TODAY)


def released(repository: Path, folder: Path) -> AbstractContextManager[Releases]:
    return releases.of(str(releases.unpacked(Place.at(repository).bundle, folder)), folder)


def everything(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and ".git" not in path.parts}


def test_a_release_is_laid_out_as_it_was_committed(repository: Path, tmp_path: Path) -> None:
    (repository / "template/litter").write_text("ignored by git")
    release_as(repository, "0.1.0")
    with released(repository, tmp_path) as found:
        assert found.versions == ("v0.1.0",)
        laid_out = tree.read(found.template("v0.1.0").folder)
    assert [str(path) for path in laid_out] == [
        "copier.yml",
        "includes/part.jinja",
        "template/services/{{ service_name }}/run.sh",
    ]
    assert [file.executable for file in laid_out.values()] == [False, False, True]


def test_it_sets_the_version_and_dates_the_changelog(repository: Path) -> None:
    release_as(repository, "0.1.0")
    assert (repository / "pyproject.toml").read_text().startswith('[project]\nname = "natsgen"\nversion = "0.1.0"\n[x]')
    assert (repository / "src/natsgen/__init__.py").read_text() == '"""Text."""\n__version__ = "0.1.0"\n'
    assert (repository / "CHANGELOG.md").read_text() == (
        "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2030-01-31\n\n### Added\n\n- all\n\n## [0.0.1] - x\n\n- old\n"
    )


def test_earlier_releases_stay(repository: Path, tmp_path: Path) -> None:
    release_as(repository, "0.1.0")
    (repository / "includes/part.jinja").write_text("other")
    (repository / "CHANGELOG.md").write_text("## [Unreleased]\n- more\n")
    world.commit(repository)
    release_as(repository, "0.10.0")
    with released(repository, tmp_path) as found:
        assert found.versions == ("v0.1.0", "v0.10.0")
        texts = [(found.template(one).folder / "includes/part.jinja").read_text() for one in found.versions]
    assert texts == ["part", "other"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dedup:", "more: {type: str}\ndedup:", "the new question more has no default"),
        ("dedup: {type: str, choices: [none, redis], default: none}", "", "the question dedup was removed"),
        ("dedup: {type: str", "dedup: {type: yaml", "the question dedup changes its type from str to yaml"),
        (", default: none", "", "the question dedup loses its default"),
        ("[none, redis]", "[none]", "the question dedup no longer accepts redis"),
        ("dedup:", "_tasks: [ls]\ndedup:", "copier.yml has _tasks"),
        ("dedup:", "_migrations: [{command: ls}]\ndedup:", "copier.yml has _migrations"),
        ("dedup:", "_jinja_extensions: [a.b]\ndedup:", "copier.yml has _jinja_extensions"),
        ("_subdirectory: template", "_subdirectory: other", "copier.yml changes _subdirectory"),
    ],
)
def test_what_would_break_an_update_is_refused(repository: Path, old: str, new: str, message: str) -> None:
    release_as(repository, "0.1.0")
    (repository / "CHANGELOG.md").write_text("## [Unreleased]\n- more\n")
    (repository / "copier.yml").write_text(COPIER_YML.replace(old, new))
    world.commit(repository)
    before = everything(repository)
    with pytest.raises(ReleaseError, match=re.escape(message)):
        release_as(repository, "0.2.0")
    assert everything(repository) == before


@pytest.mark.parametrize("version", ["0.1.0", "0.0.9"])
def test_a_version_that_is_not_newer_is_refused(repository: Path, version: str) -> None:
    release_as(repository, "0.1.0")
    (repository / "CHANGELOG.md").write_text("## [Unreleased]\n- more\n")
    world.commit(repository)
    with pytest.raises(ReleaseError, match=r"is not newer than v0\.1\.0"):
        release_as(repository, version)


@pytest.mark.parametrize("version", ["", "1", "v1.0.0", "1.0.0rc1", "01.0.0"])
def test_what_is_no_version_is_refused(repository: Path, version: str) -> None:
    with pytest.raises(ReleaseError, match="invalid version"):
        release_as(repository, version)


@pytest.mark.parametrize(
    ("changelog", "message"),
    [
        ("# Changelog\n", "has no section"),
        ("## [Unreleased]\n\n## [0.0.1]\n- old\n", "has no entry under"),
        ("## [Unreleased]\n- more\n## [0.1.0]\n", "already has a section for 0.1.0"),
    ],
)
def test_a_changelog_that_does_not_tell_of_it_is_refused(repository: Path, changelog: str, message: str) -> None:
    (repository / "CHANGELOG.md").write_text(changelog)
    world.commit(repository)
    with pytest.raises(ReleaseError, match=message):
        release_as(repository, "0.1.0")


def test_an_uncommitted_template_is_refused(repository: Path) -> None:
    (repository / "template/new").write_text("new")
    with pytest.raises(ReleaseError, match="uncommitted changes: commit template/new"):
        release_as(repository, "0.1.0")


def test_the_repositorys_own_template_would_be_accepted(tmp_path: Path) -> None:
    root = world.template_repository(tmp_path / "repository")
    world.make_release(root, "v0.1.0")
    listed = subprocess.run(["git", "ls-files", *release.PARTS], cwd=root, check=True, capture_output=True, text=True)
    with released(root, tmp_path) as found:
        assert len(tree.read(found.template("v0.1.0").folder)) == listed.stdout.count("\n")
