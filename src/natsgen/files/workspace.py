"""The workspace, the monorepo of services: finds it, lists its services, and keeps paths inside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from natsgen.errors import InputError, ServiceError, UnsafePathError

MARKER = "natsgen.toml"
SERVICES = "services"
COMPOSE = "compose"
ANSWERS_FILE = ".copier-answers.yml"  # in a service's folder: the answers that it was created with


@dataclass(frozen=True)
class Workspace:
    """A workspace.

    Attributes:
        root: its folder, absolute, without symlinks; it may not exist yet.
    """

    root: Path

    def services(self) -> tuple[str, ...]:
        """Return the names of the folders under `services/`, sorted.

        Raises:
            UnsafePathError: `services` is a symlink.
        """
        folder = self.root / SERVICES
        if not folder.is_dir():
            return ()
        self._check_folder(folder)
        return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink()))

    def path(self, relative: PurePosixPath) -> Path:
        """Return the full path of `relative`, after checking that it stays in the workspace.

        Raises:
            UnsafePathError: the path is absolute or has `..`, or a parent is a symlink or not a folder.
        """
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise UnsafePathError(f"{relative} is not inside the workspace {self.root}")
        for parent in reversed(relative.parents[:-1]):
            self._check_folder(self.root / parent)
        return self.root / relative

    def _check_folder(self, folder: Path) -> None:
        if not os.path.lexists(folder):
            return
        if folder.is_symlink():
            target = Path(os.path.realpath(folder))
            outside = "" if target.is_relative_to(self.root) else f", outside the workspace {self.root}"
            raise UnsafePathError(
                f"{folder} is a symlink to {target}{outside}, and natsgen does not follow symlinks: replace it with "
                "the folder, or use --workspace to name the real workspace"
            )
        if not folder.is_dir():
            raise UnsafePathError(f"{folder} is not a folder; move it away")


def find(given: Path | None, start: Path) -> Workspace:
    """Return the workspace that a command works on.

    Args:
        given: the value of `--workspace`; it may not exist yet.
        start: the current folder. Without `given`, the workspace is the nearest folder upwards with a natsgen.toml;
            else, within the git repository if there is one, the nearest with `services/` or `compose/`; else the root
            of the git repository; else `start`.

    Raises:
        InputError: `given` is not a folder.
    """
    if given is not None:
        root = (start / given).resolve()
        if os.path.lexists(root) and not root.is_dir():
            raise InputError(f"--workspace: {root} is not a folder")
        return Workspace(root)
    upwards = [start.resolve(), *start.resolve().parents]
    git = next((folder for folder in upwards if (folder / ".git").exists()), None)
    repository = upwards[: upwards.index(git) + 1] if git else upwards
    for folder in upwards:
        if (folder / MARKER).is_file():
            return Workspace(folder)
    for folder in repository:
        if (folder / SERVICES).is_dir() or (folder / COMPOSE).is_dir():
            return Workspace(folder)
    return Workspace(git or upwards[0])


def no_answers_file(service: Path) -> ServiceError:
    """Return the error for the folder of a service that has no answers file."""
    return ServiceError(
        f"{service} has no {ANSWERS_FILE}: it was not created by natsgen, or the file is lost; restore the file from "
        f"git, or run natsgen adopt {service}"
    )
