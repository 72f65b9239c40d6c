"""A kind of part of its own takes an entry in the table of kinds and a file in the template."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest
import typer
from typer.main import get_command

from natsgen.answers import answers, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.cli import commands, documents, parts, templates
from natsgen.errors import ConflictError, InputError
from natsgen.files import tree
from natsgen.files.workspace import Workspace
from natsgen.parts.kind import FoundPart, Option, Part, PartKind
from natsgen.parts.kinds import KINDS, is_owners
from natsgen.parts.rules import Name, Number
from natsgen.rendering import template_source
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import create, edit, listing
from natsgen.services.edit import ServiceTarget
from natsgen.services.writer import Writer

FILE = '''"""A probe."""


@probe("{{ probe }}", every={{ probes[probe].seconds }})
async def {{ probe }}() -> None: ...
'''


@dataclass(frozen=True)
class Probe(Part):
    """A probe, which is run again and again."""

    seconds: float = 10

    def facts(self, service: str) -> dict[str, object]:
        return {"seconds": self.seconds}

    def story(self, service: str) -> str:
        return f"is run every {self.seconds:g} seconds"


class FoundProbe(FoundPart):
    """A function that is run again and again."""

    def answer(self) -> dict[str, object]:
        return {"seconds": self.options["every"].literal}


PROBES = PartKind(
    noun="probe",
    name=Name("probe", frozenset({"probe"}), "do"),
    part=Probe,
    argument=("PROBE", "Name of the probe."),
    options=(Option("seconds", Number("number of seconds", 1, 60, "seconds"), "every", "How often it is run."),),
    found=FoundProbe,
    decorator="probe",
    first="name",
)


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServiceTarget:
    """A worker, in a workspace whose template and natsgen know probes."""
    monkeypatch.setitem(KINDS, PROBES.question, PROBES)
    own = template_source.bundled()
    copy = tmp_path / "template"
    shutil.copytree(own.folder / "template", copy / "template")
    shutil.copytree(own.folder / "includes", copy / "includes")
    shutil.copy(own.folder / "copier.yml", copy)
    folder = copy / "template/services/{{ service_name }}" / PROBES.folder
    folder.mkdir()
    (folder / "{% yield probe from probes %}{{ probe }}_probe.py{% endyield %}.jinja").write_text(FILE)
    template = TemplateSource(copy, own.url, own.commit)
    asked = questions.read(copy)
    workspace = Workspace(tmp_path / "shop")
    given = GivenAnswers.of({"service_name": "billing", "handlers": {"paid": "orders.order.paid"}})
    wanted = answers.complete(given, asked, workspace.root)
    create.new_service(Writer(workspace, False, print), template, asked, wanted)
    return ServiceTarget(workspace, False, print, template, asked, "billing")


def test_a_part_of_a_new_kind_is_added_listed_and_removed(target: ServiceTarget) -> None:
    before = tree.read(target.workspace.root)
    added = edit.add(target, Probe("beat", seconds=5))
    path = PurePosixPath("services/billing/src/domain/probes/beat_probe.py")
    assert added.change.added == (path,)
    assert is_owners(path.relative_to("services/billing"))
    found = listing.service(target.workspace, "billing")
    assert [(part.name, part.line) for _, part in found.parts_of(PROBES)] == [("beat", 5)]
    assert documents.of_service(found)["probes"][0]["options"] == {"every": "5"}
    with pytest.raises(ConflictError, match=r"beat_probe\.py exists already"):
        edit.add(target, Probe("beat"))
    edit.remove(target, PROBES, "beat", force=False)
    assert tree.read(target.workspace.root) == before


def test_its_options_have_the_rules_of_the_table() -> None:
    assert Probe.from_answer("beat", {}) == Probe("beat")
    assert Probe("beat", 5).to_answer() == {"seconds": 5}
    assert PROBES.parse(seconds="2.5") == {"seconds": 2.5}
    for answer in ({"seconds": 0}, {"second": 1}, "beat"):
        with pytest.raises(InputError):
            Probe.from_answer("beat", answer)


def test_its_commands_come_from_the_table(
    target: ServiceTarget, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def add_probe() -> None:
        """Add a probe."""

    monkeypatch.chdir(target.workspace.root)
    monkeypatch.setattr(templates, "target", lambda how, service: nullcontext(target))
    app = typer.Typer()
    commands.add(app, "add", parts.adding(PROBES)(add_probe))
    commands.add(app, "remove", parts.removing(PROBES, "It is run no more.", "billing beat"))
    get_command(app)(["add", "billing", "beat", "--seconds", "5"], standalone_mode=False)
    assert "it is run every 5 seconds" in capsys.readouterr().out
    get_command(app)(["remove", "billing", "beat"], standalone_mode=False)
    assert "Removed the probe beat from billing" in capsys.readouterr().out
