"""The released versions of a template: natsgen's own come from a git bundle in the package, a team's own from git."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from natsgen import template_source
from natsgen.errors import GitError, NatsgenError, ServiceError, TemplateError
from natsgen.stored import Stored
from natsgen.template_source import REPOSITORY, TemplateSource
from natsgen.update import git, versions
from natsgen.workspace import Workspace

BUNDLE = "template.bundle"
# Whatever a person has configured must not change what a release holds.
_AS_RELEASED = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


class Releases:
    """The released versions of one template.

    Args:
        url: what `_src_path` says of it.
        folder: an empty one, for the versions that are looked at.
        history: a bare repository with a tag for each version; None where there is none yet.
        current: a version that is there without its tag: natsgen's own template before its release.
    """

    def __init__(self, url: str, folder: Path, history: Path | None, current: TemplateSource | None = None) -> None:
        self.url = url
        self._folder = folder
        self._history = history
        tags = git.run("tag", "--list", folder=history).stdout.decode().split() if history else []
        self._current = current if current is not None and current.commit not in tags else None
        self.versions = versions.ordered([*tags, *([self._current.commit] if self._current else [])])
        """The tags, oldest first."""

    @property
    def newest(self) -> str:
        """The newest version.

        Raises:
            TemplateError: there is none.
        """
        if not self.versions:
            raise TemplateError(f"the template {self.url} has no released version: tag one, such as v1.0.0")
        return self.versions[-1]

    def template(self, version: str) -> TemplateSource:
        """A version, its files laid out.

        Args:
            version: one of `versions`.

        Raises:
            TemplateError: there is no such version.
            GitError: it cannot be read.
        """
        if self._current is not None and version == self._current.commit:
            return self._current
        if version not in self.versions or self._history is None:
            there_are = f"there are {', '.join(self.versions)}" if self.versions else "there is none"
            raise TemplateError(
                f"the template {self.url} has no version {version or '(none)'} here ({there_are}): a newer natsgen may "
                "have it"
            )
        target = self._folder / version
        if not target.exists():
            target.mkdir()
            _lay_out(self._history, version, target, index=self._folder / f"{version}.index")
        return TemplateSource(target, self.url, version)


@contextmanager
def bundled() -> Iterator[Releases]:
    """natsgen's own releases, as long as it is open: those in the bundle, and the template beside it."""
    bundle = Path(template_source.__file__).parent / BUNDLE
    with tempfile.TemporaryDirectory(prefix="natsgen-") as folder:
        history = _mirror(str(bundle), Path(folder, "history"), _AS_RELEASED) if bundle.is_file() else None
        yield Releases(REPOSITORY, Path(folder), history, template_source.bundled())


@contextmanager
def of(url: str, workspace: Path) -> Iterator[Releases]:
    """The releases of the template that an answers file names, as long as it is open.

    Args:
        url: its `_src_path`: natsgen's own, or what git can clone: a URL, a path or a bundle.
        workspace: what a relative path is relative to.

    Raises:
        GitError: it cannot be cloned.
    """
    if url == REPOSITORY:
        with bundled() as own:
            yield own
        return
    with tempfile.TemporaryDirectory(prefix="natsgen-") as folder:
        yield Releases(url, Path(folder), _mirror(_address(url, workspace), Path(folder, "history"), {}))


class Sources:
    """The templates that services were made from, each opened once.

    Args:
        workspace: where the services are.
        stack: closes the templates.
    """

    def __init__(self, workspace: Workspace, stack: ExitStack) -> None:
        self._workspace = workspace
        self._stack = stack
        self._found: dict[str, Releases | NatsgenError] = {}

    def of(self, memory: Stored) -> Releases:
        """The releases of the template that a service was made from.

        Raises:
            NatsgenError: it does not say which, or they cannot be read.
        """
        url = memory.source
        if not url:
            raise ServiceError(f"{memory.file} does not say where its template comes from (_src_path)")
        if url not in self._found:
            try:
                self._found[url] = self._stack.enter_context(of(url, self._workspace.root))
            except NatsgenError as error:
                self._found[url] = error
        found = self._found[url]
        if isinstance(found, NatsgenError):
            raise found
        return found


def _address(url: str, workspace: Path) -> str:
    for short, full in (("gh:", "https://github.com/"), ("gl:", "https://gitlab.com/")):
        if url.startswith(short):
            return f"{full}{url.removeprefix(short).removesuffix('.git')}.git"
    address = url.removeprefix("git+")
    path = workspace / Path(address).expanduser()
    return str(path) if path.exists() else address


def _mirror(address: str, target: Path, variables: dict[str, str]) -> Path:
    try:
        options = ("--quiet", "--bare", "--config", "core.hooksPath=/dev/null")
        git.run("clone", *options, "--", address, target, folder=target.parent, variables=variables)
    except GitError as error:
        raise GitError(f"the template {address} cannot be read: {error}") from error
    return target


def _lay_out(history: Path, version: str, target: Path, index: Path) -> None:
    variables = {**_AS_RELEASED, "GIT_INDEX_FILE": str(index)}
    places = (f"--git-dir={history}", f"--work-tree={target}")
    plain = ("-c", "core.autocrlf=false", "-c", "core.hooksPath=/dev/null")
    git.run(
        *places, *plain, "checkout", "--force", f"refs/tags/{version}", "--", ".", folder=target, variables=variables
    )
