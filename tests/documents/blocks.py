"""The blocks of code in documents, each with a name that says where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^ *(`{3,})(\S*)$")
PLACE = re.compile(r"`([\w./-]+\.\w+)`:\s*$")  # the end of a paragraph before a file
PRINTED = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code in a document.

    Attributes:
        document: its path in the repository.
        heading: that it stands under.
        number: its place among those under the heading, from 1.
        language: as the fence says, such as `sh`; often nothing.
        text: of the block.
        place: the file that it is to be, where the paragraph before it ends in `path`: else nothing.
        before: the last line before it that is not empty.
    """

    document: str
    heading: str
    number: int
    language: str
    text: str
    place: str = ""
    before: str = ""

    @property
    def name(self) -> str:
        """What it is called in lists and by pytest."""
        return f"{self.document} / {self.heading} / {self.number}"

    @property
    def printed(self) -> list[str]:
        """What its calls of `print` say in their comments that they print."""
        return PRINTED.findall(self.text)

    @property
    def commands(self) -> list[str]:
        """The lines of a shell's block without their comments; a here-document belongs to its line."""
        commands: list[str] = []
        end = quoted = ""
        for line in self.text.splitlines():
            if end or quoted:
                commands[-1] += "\n" + line
                end = "" if line == end else end
                quoted = "" if quoted and line.count("'") % 2 else quoted
            elif command := re.sub(r"(^| +)# .*$", "", line).strip():
                commands.append(command)
                here = re.search(r"<<'(\w+)'", command)
                end = here[1] if here else ""
                quoted = "'" if not here and command.count("'") % 2 else ""
        return commands


def blocks_of(text: str, document: str) -> list[Block]:
    """The blocks of a document's text, in order."""
    found: list[Block] = []
    heading, number, before = "", 0, ""
    lines = iter(text.splitlines())
    for line in lines:
        if fence := FENCE.match(line):
            indent = len(line) - len(line.lstrip())
            inside = []
            for code in lines:
                if code.strip() == fence[1]:
                    break
                inside.append(code[indent:])
            number += 1
            place = PLACE.search(before)
            text = "\n".join(inside) + "\n"
            found.append(Block(document, heading, number, fence[2], text, place[1] if place else "", before))
            before = ""
        elif line.startswith("#"):
            heading, number, before = line.lstrip("# "), 0, ""
        elif line.strip():
            before = line
    return found


def read_blocks(root: Path, document: str) -> list[Block]:
    """The blocks of a document of the repository."""
    return blocks_of((root / document).read_text(), document)
