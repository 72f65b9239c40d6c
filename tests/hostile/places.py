"""A workspace with something around it that must stay as it is."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.hostile import oracle

WORKSPACE = "shop"


@dataclass(frozen=True)
class Place:
    """Where a case happens.

    Attributes:
        around: the folder in which everything is watched.
        workspace: a folder in it, the current one of the command.
        outside: another folder in it, with what must not be touched.
    """

    around: Path
    workspace: Path
    outside: Path

    def run(self, *arguments: str) -> oracle.Ran:
        """Runs natsgen in the workspace, which asks nothing."""
        quiet = [] if "--no-input" in arguments else ["--no-input"]
        return oracle.run([*arguments, *quiet], here=self.workspace, around=self.around)


def make_place(around: Path, like: Place | None = None) -> Place:
    """An empty workspace, or one `like` another place's, beside a folder of somebody else."""
    place = Place(around, around / WORKSPACE, around / "outside")
    place.workspace.mkdir(parents=True)
    place.outside.mkdir()
    (place.outside / "precious.txt").write_text("do not touch\n")
    (place.around / "billing").mkdir()
    if like:
        shutil.copytree(like.workspace, place.workspace, dirs_exist_ok=True)
    return place
