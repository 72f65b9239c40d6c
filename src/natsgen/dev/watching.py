"""Watch for edits to the files of services, and for services that are created or removed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from watchfiles import Change, DefaultFilter, awatch

from natsgen.dev import environment

STEP = 20  # milliseconds without a further change after which an edit is complete
FILES = (environment.ENV_FILE, environment.REQUIREMENTS, "pyproject.toml")
"""Files beside `src/` that a service reads."""


class Sources(DefaultFilter):
    """Match the files that a running service may have read, without bytecode and temporary files of editors."""

    ignore_entity_patterns = (*DefaultFilter.ignore_entity_patterns, r"^\..*", r"~$", r"^4913$", r"\.tmp$")

    def __call__(self, change: Change, path: str) -> bool:
        """Return whether a change counts."""
        return Path(path).name in FILES or super().__call__(change, path)


async def watch(
    services: Path, found: Callable[[set[str]], set[str]], edited: Callable[[str, set[Path]], None]
) -> None:
    """Watch the services until the task is cancelled.

    Args:
        services: the folder that they are in.
        found: called with the names of all services; returns those to watch.
        edited: called with the name of a service and its edited files.
    """
    while True:
        there = environment.services_in(services)
        folders = [services / name for name in found(there)]
        again = asyncio.Event()
        await asyncio.gather(
            _watch_sources(folders, edited, again), _watch_folders(services, there, folders, edited, again)
        )


async def _watch_sources(folders: list[Path], edited: Callable[[str, set[Path]], None], again: asyncio.Event) -> None:
    if not folders:
        await again.wait()
        return
    sources = [folder / "src" for folder in folders]
    async for changes in awatch(*sources, watch_filter=Sources(), step=STEP, stop_event=again):
        _tell(changes, folders, edited)


async def _watch_folders(
    services: Path,
    there: set[str],
    folders: list[Path],
    edited: Callable[[str, set[Path]], None],
    again: asyncio.Event,
) -> None:
    """Watch the sources and the folder of services until a service is created or removed."""
    # A virtual environment in a service's folder holds tens of thousands of files: they are not watched.
    async for changes in awatch(
        services, *folders, watch_filter=Sources(), step=STEP, recursive=False, stop_event=again
    ):
        _tell({(change, path) for change, path in changes if Path(path).name in FILES}, folders, edited)
        if environment.services_in(services) != there:
            break
    again.set()


def _tell(changes: set[tuple[Change, str]], folders: list[Path], edited: Callable[[str, set[Path]], None]) -> None:
    for folder in folders:
        files = {Path(path) for _, path in changes if Path(path).is_relative_to(folder)}
        if files:
            edited(folder.name, files)
