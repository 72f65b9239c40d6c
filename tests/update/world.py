"""Released versions with real differences between them, a natsgen that carries them, and workspaces in git."""

from __future__ import annotations

import datetime
import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import natsgen
from natsgen.parts.kinds import KINDS
from natsgen.rendering import template_source
from natsgen.update.releases import BUNDLE, unpacked
from scripts import release
from tests.harness_tools.forked_natsgen import ForkedNatsgen

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICE = Path("template/services/{{ service_name }}")
TODAY = datetime.date(2030, 1, 31)
COMPOSE = Path("template/compose/{{ service_name }}.yml.jinja")
FIRST, SECOND, THIRD, FOURTH = "v0.1.0", "v0.2.0", "v0.3.0", "v0.4.0"
MARK = "# of the fourth release"
OWN_NAME = re.compile(rb"billing(?!\.invoice)")  # which is an example in every service
GIT = {
    "GIT_AUTHOR_NAME": "somebody",
    "GIT_AUTHOR_EMAIL": "somebody@example.org",
    "GIT_COMMITTER_NAME": "somebody",
    "GIT_COMMITTER_EMAIL": "somebody@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def environment() -> dict[str, str]:
    """The environment of a person's processes, in which nothing of this machine's git counts."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("COPIER_", "NATSGEN_", "GIT_"))}
    return {**kept, **GIT}


def git(folder: Path, *arguments: str | Path) -> str:
    """Runs git as a person does; returns what it says."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment(), check=True, capture_output=True, text=True
    )
    return done.stdout


def commit(folder: Path, message: str = "a change") -> None:
    """Commits everything, in a repository that is made if it is missing."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all", ".")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)


@dataclass(frozen=True)
class Edit:
    """A text in a file that becomes another."""

    file: Path
    old: str
    new: str

    def make(self, root: Path) -> None:
        text = (root / self.file).read_text()
        assert self.old in text, f"{self.file} has no {self.old!r}"
        (root / self.file).write_text(text.replace(self.old, self.new, 1))


def second(root: Path) -> None:
    """What the second release changes: a default, a question, two new files, the image, the compose file."""
    Edit(SERVICE / "src/config.py", "Field(30, ge=3, le=86400", "Field(45, ge=3, le=86400").make(root)
    Edit(
        SERVICE / "Dockerfile.jinja", "WORKDIR /build", "LABEL platform={{ platform | to_json }}\nWORKDIR /build"
    ).make(root)
    Edit(COMPOSE, "stop_grace_period: 45s", "stop_grace_period: 60s").make(root)
    (root / SERVICE / "src/utils/clock.py").write_text('"""The time."""\n')
    (root / SERVICE / "notes.md.jinja").write_text("# {{ service_name }}, on {{ platform }}\n")
    questions = root / "copier.yml"
    questions.write_text(f"{questions.read_text()}\nplatform:\n  type: str\n  help: Platform\n  default: linux\n")


def third(root: Path) -> None:
    """What the third release changes: an infrastructure file goes elsewhere, a file is gone, a setting moves."""
    folder = root / SERVICE / "src/infrastructure"
    (folder / "link_health.py").rename(folder / "link_watch.py")
    importer = SERVICE / "src/infrastructure/nats_client.py"
    Edit(importer, ".link_health import", ".link_watch import").make(root)
    Edit(SERVICE / "src/config.py", "Field(1, ge=1, le=5", "Field(1, ge=1, le=7").make(root)
    (root / SERVICE / "notes.md.jinja").unlink()


def fourth(root: Path) -> None:
    """What the fourth release changes: what it makes of every part and its test, and the infrastructure with them."""
    files = [file for file in (root / SERVICE).rglob("*.jinja") if "{% yield " in file.name]
    assert len({file.parent for file in files}) == 2 * len(KINDS)
    for file in (*files, root / SERVICE / "src/utils/logging.py"):
        file.write_text(f"{file.read_text()}\n{MARK}\n")


def template_repository(root: Path) -> Path:
    """The parts of natsgen's repository that a release is made of, committed."""
    for part in release.PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            litter = shutil.ignore_patterns("__pycache__", "*.pyc", ".*_cache", ".venv")
            shutil.copytree(source, root / part, ignore=litter)
        else:
            root.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, root / part)
    (root / "src/natsgen/update").mkdir(parents=True)
    shutil.copy(REPOSITORY / "src/natsgen/__init__.py", root / "src/natsgen")
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n- everything\n")
    commit(root, "the template")
    return root


def make_release(root: Path, version: str, change: Callable[[Path], None] = lambda root: None) -> None:
    """Changes the template and releases it, as a person does with `make release`."""
    change(root)
    changelog = root / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace(release.UNRELEASED, f"{release.UNRELEASED}\n\n- {version}", 1))
    commit(root)
    release.release(release.Place.at(root), version.removeprefix("v"), TODAY)
    commit(root, f"Release {version}")


@functools.lru_cache(maxsize=8)
def _waiting(root: Path) -> ForkedNatsgen:
    return ForkedNatsgen(root, environment())


@dataclass(frozen=True)
class Installed:
    """A natsgen as a wheel lays it out, that carries the releases of `root`.

    Attributes:
        root: what is on the PYTHONPATH.
        variables: the environment of its processes.
    """

    root: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def package(self) -> Path:
        return self.root / "natsgen"

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "natsgen", *map(str, arguments)]

    @property
    def environment(self) -> dict[str, str]:
        return {**environment(), "PYTHONPATH": str(self.root), **self.variables}

    def run(self, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Runs one command."""
        return _waiting(self.root).run([*map(str, arguments)], cwd, self.environment)

    def do(self, *arguments: str | Path, cwd: Path) -> str:
        """Runs one command that must succeed; returns its result."""
        done = self.run(*arguments, cwd=cwd)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


CHECKOUT = Installed(REPOSITORY / "src")
"""This natsgen, as it is here."""


def install(template: Path, target: Path) -> Installed:
    """Lays out a natsgen with the template, the version and the releases of a repository."""
    package = Path(natsgen.__file__).parent
    own_releases = shutil.ignore_patterns(Path(BUNDLE).name)
    shutil.copytree(package, target / "natsgen", ignore=own_releases)  # with what is compiled
    shutil.copy(template / "src/natsgen/__init__.py", target / "natsgen")
    if (template / "src/natsgen" / BUNDLE).exists():
        shutil.copy(template / "src/natsgen" / BUNDLE, target / "natsgen" / BUNDLE)
    for part in release.PARTS:
        source = template / part
        place = target / "natsgen/_template" / part
        if source.is_dir():
            shutil.copytree(source, place)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place)
    return Installed(target)


def mapped(natsgen: Installed) -> dict[str, str]:
    """The environment in which plain Copier finds the releases of a natsgen at their stable address, offline."""
    bundle = unpacked(natsgen.package / BUNDLE, natsgen.root)
    mapping = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{bundle}.insteadOf",
        "GIT_CONFIG_VALUE_0": template_source.REPOSITORY,
    }
    return {**natsgen.environment, **mapping}


def copier(natsgen: Installed, folder: Path, service: str) -> subprocess.CompletedProcess[str]:
    """Updates a service without natsgen, with plain Copier, to the newest release of that natsgen."""
    answers = f"services/{service}/.copier-answers.yml"
    command = [sys.executable, "-m", "copier", "update", "--answers-file", answers, "--defaults"]
    return subprocess.run(command, cwd=folder, env=mapped(natsgen), capture_output=True, text=True, timeout=120)


def fleet(made: Path, folder: Path, count: int) -> tuple[str, ...]:
    """Makes a workspace of many services like the one called billing in another; returns their names."""
    names = tuple(f"worker-{number:02}" for number in range(count))
    for source in sorted(made.rglob("*")):
        path = source.relative_to(made)
        if source.is_dir() or path.parts[0] == ".git":
            continue
        if "billing" not in str(path):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / path)
            continue
        for name in names:
            target = folder / str(path).replace("billing", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(OWN_NAME.sub(name.encode(), source.read_bytes()))
            target.chmod(source.stat().st_mode)
    commit(folder)
    return names
