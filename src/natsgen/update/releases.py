"""The released versions of a template: natsgen's own are in a git bundle in the package, a team's own in git.

This is the only module that opens templates: for new services, existing services, and smoke.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import natsgen
from natsgen.errors import GitError, TemplateError
from natsgen.files import git, scratch
from natsgen.rendering import addresses, template_source, versions
from natsgen.rendering.template_source import REPOSITORY, TemplateSource

BUNDLE = "update/template.bundle.xz"  # in the package
# The user's configuration must not change the content of a release.
_ANY_CODE = range(256)
_AS_RELEASED = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


class Releases:
    """The released versions of one template.

    Args:
        url: its `_src_path`.
        folder: an empty folder, for the checked-out versions.
        history: a bare repository with a tag for each version; None if there is none yet.
        current: a template whose version needs no tag: that of this natsgen, or a folder that is not in git.
    """

    def __init__(self, url: str, folder: Path, history: Path | None, current: TemplateSource | None = None) -> None:
        self.url = url
        self._folder = folder
        self._history = history
        tags = git.run_bare(history, "tag", "--list").stdout.decode().split() if history else []
        self._current = current
        self.versions = versions.ordered({*tags, *([current.commit] if current else [])})
        """The versions, oldest first."""

    @property
    def newest(self) -> str:
        """Return the newest version.

        Raises:
            TemplateError: there is no version.
        """
        if not self.versions:
            raise TemplateError(f"the template {self.url} has no released version: tag one, such as v1.0.0")
        return self.versions[-1]

    def template(self, version: str) -> TemplateSource:
        """Check out a version.

        Args:
            version: one of `versions`.

        Raises:
            TemplateError: the version does not exist.
            GitError: the version cannot be read.
        """
        if self._current is not None and version == self._current.commit:
            return self._current
        if version not in self.versions or self._history is None:
            there_are = f"available: {', '.join(self.versions) or 'none'}"
            hint = "a newer natsgen may have it" if self.url == REPOSITORY else "its tag may be missing there"
            raise TemplateError(
                f"the template {self.url} has no version {version or '(none)'} here ({there_are}): {hint}"
            )
        return self._checked_out(f"refs/tags/{version}", version)

    def wanted(self, version: str, where: str) -> TemplateSource:
        """Return the version for a new service.

        Args:
            version: the version as typed; "" for the newest, or for a folder that is not in git.
            where: what to name in the error, such as "--template".

        Raises:
            InputError: the version does not exist.
            TemplateError: the template has no versions.
            GitError: the version cannot be read.
        """
        if version:
            return self.template(versions.find(version, self.versions, where))
        if self._history is None and self._current is not None:
            return self._current
        return self.template(self.newest)

    def at(self, reference: str) -> TemplateSource:
        """Check out a tag, a branch or a commit, released or not; `HEAD` is the default branch.

        Raises:
            TemplateError: the reference does not exist.
            GitError: the reference cannot be read.
        """
        if self._history is None:
            raise TemplateError(f"the template {self.url} is not in git, so there is no {reference}")
        wanted = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
        commit = git.run_bare(self._history, *wanted, fine=_ANY_CODE).stdout.decode().strip()
        if not commit:
            raise TemplateError(f"the template {self.url} has no tag or branch {reference}")
        return self._checked_out(commit, commit)

    def _checked_out(self, revision: str, name: str) -> TemplateSource:
        assert self._history is not None
        target = self._folder / name
        if not target.exists():
            target.mkdir()
            variables = {**_AS_RELEASED, "GIT_INDEX_FILE": str(self._folder / f"{name}.index")}
            places = (f"--git-dir={self._history}", f"--work-tree={target}", "-c", "core.autocrlf=false")
            git.run(*places, "checkout", "--force", revision, "--", ".", folder=target, variables=variables)
        return TemplateSource(target, self.url, name)


@contextmanager
def bundled() -> Iterator[Releases]:
    """Provide natsgen's own releases: those in the bundle, and the current template."""
    bundle = Path(natsgen.__file__).parent / BUNDLE
    with scratch.folder() as folder:
        history = _mirror(str(unpacked(bundle, folder)), folder / "history", _AS_RELEASED) if bundle.is_file() else None
        yield Releases(REPOSITORY, folder, history, template_source.bundled())


def unpacked(bundle: Path, folder: Path) -> Path:
    """Decompress natsgen's bundle into a folder, and return the path that git can clone.

    Raises:
        TemplateError: this Python cannot decompress it.
    """
    try:
        import lzma
    except ImportError as error:
        raise TemplateError(f"this Python has no module lzma, which natsgen needs to read {bundle}") from error
    plain = folder / bundle.stem
    plain.write_bytes(lzma.decompress(bundle.read_bytes()))
    return plain


@contextmanager
def of(url: str, workspace: Path) -> Iterator[Releases]:
    """Provide the releases of the template that an answers file names.

    Args:
        url: its `_src_path`: natsgen's own, a URL, path or bundle that git can clone, or a folder that is not in git.
        workspace: the folder that a relative path starts from.

    Raises:
        GitError: the template cannot be cloned.
    """
    if url == REPOSITORY:
        with bundled() as own:
            yield own
        return
    address = addresses.to_clone(url, workspace)
    with scratch.folder() as folder:
        if Path(address).is_dir() and not _is_repository(Path(address)):
            yield Releases(url, folder, None, TemplateSource(Path(address).resolve(), url, ""))
        else:
            yield Releases(url, folder, _mirror(address, folder / "history", {}))


def _is_repository(folder: Path) -> bool:
    return (folder / ".git").exists() or ((folder / "HEAD").is_file() and (folder / "objects").is_dir())


def _mirror(address: str, target: Path, variables: dict[str, str]) -> Path:
    words = ("clone", "--quiet", "--bare", "--", address, target)
    done = git.run(*words, folder=target.parent, variables=variables, fine=_ANY_CODE)
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise GitError(git.without_secrets(f"the template {address} cannot be read: {said}"))
    return target
