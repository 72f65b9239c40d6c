"""Release the template and natsgen: `make release VERSION=1.2.3`.

It adds copier.yml, template/ and includes/, as committed, to the history in src/natsgen/update/template.bundle.xz, as
one commit with the tag v1.2.3; sets the version; and dates the section of the changelog. If the template would break
the update of existing services, it changes nothing. You commit, tag and build.
"""

from __future__ import annotations

import argparse
import datetime
import lzma
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from natsgen.errors import NatsgenError
from natsgen.files import git
from natsgen.rendering import versions
from natsgen.update.releases import BUNDLE, unpacked
from scripts import release_rules

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("copier.yml", "includes", "template")
UNRELEASED = "## [Unreleased]"
_AUTHOR = {
    "GIT_AUTHOR_NAME": "natsgen",
    "GIT_AUTHOR_EMAIL": "releases@natsgen.invalid",
    "GIT_COMMITTER_NAME": "natsgen",
    "GIT_COMMITTER_EMAIL": "releases@natsgen.invalid",
}


class ReleaseError(NatsgenError):
    """Raised when the release would be wrong. The message says why; nothing was changed."""


@dataclass(frozen=True)
class Place:
    """The files that a release is made of and changes.

    Attributes:
        root: the repository.
        bundle: the history of the releases, compressed.
    """

    root: Path
    bundle: Path

    @classmethod
    def at(cls, root: Path) -> Place:
        """Return the place for a repository."""
        return cls(root, root / "src" / "natsgen" / BUNDLE)


def main() -> int:
    """Make the release that the command line names, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("version", help="such as 1.2.3")
    options = parser.parse_args()
    try:
        release(Place.at(ROOT), options.version, datetime.date.today())
    except NatsgenError as error:
        print(f"release: {error}", file=sys.stderr)
        return error.exit_code
    print(f"natsgen {options.version}: the template is in src/natsgen/{BUNDLE}, and the version is set. Next:")
    print(f"  git add src/natsgen/{BUNDLE}")
    print(f"  git commit -am 'Release {options.version}' && git tag v{options.version}")
    print("  make dist")
    return 0


def release(place: Place, version: str, date: datetime.date) -> None:
    """Make a release.

    Args:
        place: the repository.
        version: the new version, such as 1.2.3.
        date: the date of the release, for the changelog.

    Raises:
        ReleaseError: the release would be wrong.
        GitError: git fails, or is not installed.
    """
    if not re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", version):
        raise ReleaseError(f"invalid version {version!r}: use three numbers, such as 1.2.3")
    changed = git.uncommitted(place.root, map(PurePosixPath, PARTS))
    if changed:
        raise ReleaseError(f"the template has uncommitted changes: commit {', '.join(map(str, changed))}")
    changelog = dated(_read(place.root / "CHANGELOG.md"), version, date)
    texts = {place.root / "CHANGELOG.md": changelog, **dict(_with_version(place.root, version))}
    with tempfile.TemporaryDirectory(prefix="natsgen-release-") as folder:
        history = Path(folder, "history.git")
        _open(place.bundle, history)
        newest = _newest(history)
        if newest and not versions.is_newer(f"v{version}", newest):
            raise ReleaseError(f"version {version} is not newer than {newest}, the newest release")
        problems = list(
            release_rules.breaking(_questions_of(history, newest), _load(_read(place.root / "copier.yml")), version)
        )
        if problems:
            raise ReleaseError("; ".join(problems))
        add(place, history, version)
        draft = Path(folder, "draft.bundle")
        # git compresses each object alone; all of them together take two thirds
        git.run_bare(history, "-c", "pack.compression=0", "repack", "-a", "-d", "-F", "--quiet", "--window=250")
        git.run_bare(history, "bundle", "create", "--quiet", draft, "HEAD", "main", "--tags")
        place.bundle.write_bytes(lzma.compress(draft.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8")


def add(place: Place, history: Path, version: str) -> None:
    """Add the template, as in the repository's index, to a bare repository, as a commit and a tag."""
    listed = git.run("ls-files", "-z", "--", *PARTS, folder=place.root).stdout
    names = history / "names"
    names.write_bytes(listed)
    index = {"GIT_INDEX_FILE": str(history / "release.index"), **_AUTHOR}
    here = (f"--git-dir={history}", f"--work-tree={place.root}", "-c", "core.autocrlf=false")
    chosen = (f"--pathspec-from-file={names}", "--pathspec-file-nul")
    git.run(*here, "add", "--force", *chosen, folder=place.root, variables=index)
    tree = git.run(*here, "write-tree", folder=place.root, variables=index).stdout.decode().strip()
    parent = ("-p", "refs/heads/main") if _newest(history) else ()
    message = ("-m", f"The template of natsgen {version}")
    commit = git.run_bare(history, "commit-tree", tree, *parent, *message, variables=index).stdout.decode().strip()
    git.run_bare(history, "update-ref", "refs/heads/main", commit)
    git.run_bare(history, "update-ref", f"refs/tags/v{version}", commit)


def dated(changelog: str, version: str, date: datetime.date) -> str:
    """Return the changelog with its unreleased section as that of this version, below a new empty one.

    Raises:
        ReleaseError: the unreleased section is missing or empty, or the version already has a section.
    """
    if f"## [{version}]" in changelog:
        raise ReleaseError(f"CHANGELOG.md already has a section for {version}")
    if UNRELEASED not in changelog:
        raise ReleaseError(f"CHANGELOG.md has no section {UNRELEASED}")
    before, after = changelog.split(UNRELEASED, 1)
    said = after.split("\n## ", 1)[0]
    if not re.search(r"^- ", said, re.MULTILINE):
        raise ReleaseError(f"CHANGELOG.md has no entry under {UNRELEASED}: add what this release changes")
    return f"{before}{UNRELEASED}\n\n## [{version}] - {date.isoformat()}{after}"


def _open(bundle: Path, history: Path) -> None:
    if bundle.is_file():
        git.run("clone", "--quiet", "--bare", unpacked(bundle, history.parent), history, folder=history.parent)
    else:
        git.run("init", "--quiet", "--bare", "--initial-branch=main", history, folder=history.parent)


def _newest(history: Path) -> str:
    tags = git.run_bare(history, "tag", "--list").stdout.decode().split()
    return (versions.ordered(tags) or ("",))[-1]


def _questions_of(history: Path, version: str) -> Mapping[str, Any]:
    return _load(git.run_bare(history, "show", f"{version}:copier.yml").stdout.decode()) if version else {}


def _load(text: str) -> Mapping[str, Any]:
    document = yaml.safe_load(text)
    if not isinstance(document, dict):
        raise ReleaseError("copier.yml is not a mapping")
    return document


def _with_version(root: Path, version: str) -> Iterator[tuple[Path, str]]:
    for file, pattern in (
        (root / "pyproject.toml", r'^version = "[^"]*"$'),
        (root / "src" / "natsgen" / "__init__.py", r'^__version__ = "[^"]*"$'),
    ):
        line = re.compile(pattern, re.MULTILINE)
        text, count = line.subn(lambda found: found[0].split('"')[0] + f'"{version}"', _read(file))
        if count != 1:
            raise ReleaseError(f"{file} has no line with the version")
        yield file, text


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ReleaseError(f"{file}: {error.strerror}") from error


if __name__ == "__main__":
    raise SystemExit(main())
