"""What a person or a script is told of a part of a service that came or went, handler or action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from natsgen.cli import next_steps, output

if TYPE_CHECKING:
    from natsgen.change import Change
    from natsgen.parts import Kind
    from natsgen.workspace import Workspace


@dataclass(frozen=True)
class Done:
    """What a command did, or would do.

    Attributes:
        workspace: where.
        service: to which service.
        kind: of the part.
        name: of the part.
        change: its files.
        notes: what the person should know beside.
        facts: what else the JSON document says of the part.
        dry_run: whether it would only be done.
        as_json: whether a script is told.
    """

    workspace: Workspace
    service: str
    kind: Kind
    name: str
    change: Change
    notes: tuple[str, ...]
    facts: Mapping[str, object]
    dry_run: bool
    as_json: bool

    def tell_added(self, what: str) -> None:
        """Tells that the part came; `what` says in a line what it does."""
        here = Path.cwd()
        test = next_steps.to_test(self.workspace, self.service, here, str(self.kind.test(self.name)))
        run = next_steps.to_run(self.workspace, self.service, here)
        created = [str(path) for path in self.change.added]
        story = [
            f"Added the {self.kind.noun} {self.name} to {self.service} in {self.workspace.root}",
            *(f"  {path}" for path in created),
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
        story = [f"Removed the {self.kind.noun} {self.name} from {self.service} in {self.workspace.root}"]
        story += [f"  {path}" for path in removed]
        if what_stays:
            story += ["", *what_stays, *(f"  {output.printable(command)}" for command in commands)]
        self._tell(story, {"removed": removed, **self.facts}, commands, "removed")

    def _tell(self, story: Sequence[str], facts: Mapping[str, object], next: Sequence[str], verb: str) -> None:
        if self.as_json:
            document = {
                "service": self.service,
                "workspace": str(self.workspace.root),
                "dry_run": self.dry_run,
                self.kind.noun: self.name,
                **facts,
                "notes": self.notes,
                "next": next,
            }
            output.document({**document, "diff": self.change.diff()} if self.dry_run else document)
            return
        if self.dry_run:
            output.dry_run(self.change.diff(), len(self.change.added or self.change.removed), verb, self.workspace.root)
        else:
            output.result("\n".join(story))
        for note in self.notes:
            output.note(f"note: {output.printable(note)}")
