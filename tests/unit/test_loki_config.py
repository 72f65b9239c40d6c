"""The configuration of Grafana Alloy in docs/loki: what Alloy would refuse of it, and what it looks for in a log."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.alloy import Block, Call, NotAlloy, Reference, parse

TEXT = (Path(__file__).parents[2] / "docs/loki/config.alloy").read_text()

# The arguments and blocks that each block takes, and what each component exports, as far as they are used: of
# https://grafana.com/docs/alloy/latest/reference/components/
TAKES: dict[str, tuple[set[str], set[str]]] = {
    "discovery.docker": ({"host"}, {"filter"}),
    "filter": ({"name", "values"}, set()),
    "discovery.relabel": ({"targets"}, {"rule"}),
    "rule": ({"source_labels", "target_label", "regex"}, set()),
    "loki.source.docker": ({"host", "targets", "relabel_rules", "forward_to"}, set()),
    "loki.process": ({"forward_to"}, {"stage.json", "stage.timestamp", "stage.labels", "stage.structured_metadata"}),
    "stage.json": ({"expressions"}, set()),
    "stage.timestamp": ({"source", "format"}, set()),
    "stage.labels": ({"values"}, set()),
    "stage.structured_metadata": ({"values"}, set()),
    "loki.write": (set(), {"endpoint"}),
    "endpoint": ({"url"}, set()),
}
EXPORTS = {
    "discovery.docker": {"targets"},
    "discovery.relabel": {"output", "rules"},
    "loki.process": {"receiver"},
    "loki.write": {"receiver"},
}


def everything(blocks: list[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        yield from everything(block.blocks)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, Reference):
        yield value.name
    elif isinstance(value, Call):
        yield from references(value.arguments)
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from references(one)


def test_every_block_takes_what_it_is_given() -> None:
    for block in everything(parse(TEXT)):
        arguments, inside = TAKES[block.name]
        assert block.attributes.keys() <= arguments, block.name
        assert {one.name for one in block.blocks} <= inside, block.name
        assert bool(block.label) == (block.name in EXPORTS or block.name == "loki.source.docker"), block.name


def test_every_reference_names_what_a_component_exports() -> None:
    blocks = parse(TEXT)
    exported = {f"{one.name}.{one.label}.{name}" for one in blocks for name in EXPORTS.get(one.name, ())}
    used = [name for block in everything(blocks) for name in references(block.attributes)]
    assert set(used) <= exported
    assert len(used) == 4


def test_it_is_formatted_as_alloy_formats() -> None:
    """Tabs, and what is assigned on lines after each other stands in a column."""
    lines = TEXT.splitlines()
    assert not any(line.startswith(" ") or line != line.rstrip() for line in lines)
    for one, other in pairwise(lines):
        indents = [len(line) - len(line.lstrip("\t")) for line in (one, other)]
        if indents[0] == indents[1] and all(" = " in line and "//" not in line for line in (one, other)):
            assert one.index(" = ") == other.index(" = "), other


def test_the_stages_use_what_was_taken_out_of_the_line() -> None:
    (process,) = [block for block in parse(TEXT) if block.name == "loki.process"]
    taken = process.only("stage.json").attributes["expressions"].keys()
    used = {process.only("stage.timestamp").attributes["source"]}
    for name in ("stage.labels", "stage.structured_metadata"):
        used |= process.only(name).attributes["values"].keys()
    assert used == taken
    assert process.blocks[0].name == "stage.json"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("a = 1", "outside of any block"),
        ('a "b" {', "is not a name"),
        ('a "b" {\n\tc = [1 2]\n}', "is not ','"),
        ('a "b" {\n\tc = {\n\t\td = 1\n\t}\n}', "is not ','"),
        ('a "b" {\n\tc = 1\n\tc = 2\n}', "line 3: c is there twice"),
        ('a "b" { c = 1 d = 2 }', "is not the end of the line"),
        ("a 'b' {}", "nothing of the language"),
    ],
)
def test_what_is_no_configuration_is_noticed(wrong: str, message: str) -> None:
    with pytest.raises(NotAlloy, match=message):
        parse(wrong)
