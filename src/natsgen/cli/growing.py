"""What the commands share that add a part to a service or remove one: where, and what a person or a script is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from natsgen.cli import next_steps, output, templates
from natsgen.parts.kinds import is_persons_own
from natsgen.workspace import SERVICES

if TYPE_CHECKING:
    from natsgen.parts.kinds import PartKind
    from natsgen.services.edit import ServiceTarget
    from natsgen.transaction.change import Change


def packages_of(service: str, paths: Sequence[PurePosixPath]) -> list[str]:
    """The packages that come or go with files of a service: those of which the marker is among them."""
    from natsgen.parts import packages

    place = PurePosixPath(SERVICES, service)
    return [package.name for package in packages.PACKAGES if place / package.marker in paths]


@contextmanager
def site(service: str, workspace: Path | None, *, dry_run: bool) -> Iterator[ServiceTarget]:
    """Where a command works that names a service, and perhaps a workspace, as long as the service's template is open.

    An older service grows with what its own version of the template makes.
    """
    from natsgen import workspace as workspaces
    from natsgen.answers import questions
    from natsgen.services import edit

    place = workspaces.find(workspace, Path.cwd())
    with templates.of_service(place, service) as (template, _):
        yield edit.ServiceTarget(place, template, questions.read(template.folder), service, dry_run, output.note)


@dataclass(frozen=True)
class Done:
    """What a command did, or would do.

    Attributes:
        site: where.
        kind: of the part.
        name: of the part.
        change: its files.
        notes: what the person should know beside.
        facts: what else the JSON document says of the part.
        as_json: whether a script is told.
    """

    site: ServiceTarget
    kind: PartKind
    name: str
    change: Change
    notes: tuple[str, ...]
    facts: Mapping[str, object]
    as_json: bool

    def tell_added(self, what: str) -> None:
        """Tells that the part came; `what` says in a line what it does."""
        here = Path.cwd()
        test = next_steps.to_test(self.site.workspace, self.site.service, here, str(self.kind.test(self.name)))
        run = next_steps.to_run(self.site.workspace, self.site.service, here)
        created = [str(path) for path in self.change.added]
        story = [
            f"Added the {self.kind.noun} {self.name} to {self.site.service} in {self.site.workspace.root}",
            *self._files(self.change.added, "with"),
            f"  {what}",
            "",
            "Next, from here:",
            "  test it:",
            f"    {test}",
            f"  run it; a service finds its {self.kind.question} when it starts:",
            f"    {run}",
        ]
        self._tell(story, {**self.facts, "created": created}, (test, run), "made")

    def tell_removed(self, what_stays: Sequence[str], commands: Sequence[str] = ()) -> None:
        """Tells that the part went; `what_stays` and the commands to type next say what is to be done elsewhere."""
        removed = [str(path) for path in self.change.removed]
        story = [f"Removed the {self.kind.noun} {self.name} from {self.site.service} in {self.site.workspace.root}"]
        story += self._files(self.change.removed, "and")
        if what_stays:
            story += ["", *what_stays, *(f"  {output.printable(command)}" for command in commands)]
        self._tell(story, {"removed": removed, **self.facts}, commands, "removed")

    def _files(self, paths: Sequence[PurePosixPath], word: str) -> Iterator[str]:
        """The lines that say which files came or went: those of the part, and how many of which packages."""
        place = PurePosixPath(SERVICES, self.site.service)
        of_part = [path for path in paths if is_persons_own(path.relative_to(place))]
        yield from (f"  {path}" for path in of_part)
        if more := [path for path in paths if path not in of_part]:
            from natsgen.services import service_packages

            names = packages_of(self.site.service, more)
            count = f"{len(more)} file{'s' if len(more) > 1 else ''}"
            yield f"  {word} {service_packages.told(names)} ({count})" if names else f"  {word} {count} more"

    def _tell(self, story: Sequence[str], facts: Mapping[str, object], next: Sequence[str], verb: str) -> None:
        if self.as_json:
            document = {
                "service": self.site.service,
                "workspace": str(self.site.workspace.root),
                "dry_run": self.site.dry_run,
                self.kind.noun: self.name,
                **facts,
                "notes": self.notes,
                "next": next,
            }
            output.document({**document, "diff": self.change.diff()} if self.site.dry_run else document)
            return
        if self.site.dry_run:
            count = len(self.change.added or self.change.removed)
            output.dry_run(self.change.diff(), count, verb, self.site.workspace.root)
        else:
            output.result("\n".join(story))
        for note in self.notes:
            output.note(f"note: {output.printable(note)}")
