"""Documents that programs write, a section each, so that one leaves the other's alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Document:
    """A Markdown file.

    Attributes:
        file: where it is, from the repository's root.
        head: what stands before the sections.
        order: the names of the sections, as they follow each other.
    """

    file: Path
    head: str
    order: tuple[str, ...]

    def write_section(self, name: str, text: str) -> None:
        """Replace the section `name` by `text`, and keep the rest."""
        sections = self._sections()
        sections[name] = text.strip()
        found = [one for one in self.order if one in sections]
        parts = [f"<!-- {one}: begin -->\n\n{sections[one]}\n\n<!-- {one}: end -->\n" for one in found]
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text("\n".join([self.head, *parts]), encoding="utf-8")

    def section(self, name: str) -> str:
        """Return the text of the section `name`; "" if it does not exist."""
        return self._sections().get(name, "")

    def _sections(self) -> dict[str, str]:
        if not self.file.exists():
            return {}
        pattern = r"<!-- (\w+): begin -->\n(.*?)\n<!-- \1: end -->"
        text = self.file.read_text(encoding="utf-8")
        return {name: content.strip() for name, content in re.findall(pattern, text, re.DOTALL)}


RELIABILITY = Document(
    Path("docs/reliability.md"),
    """\
# Reliability

How generated workers behave under faults, as measured. `make chaos` and `make soak` write this page; do not edit it by
hand.
""",
    ("chaos", "soak"),
)
PERFORMANCE = Document(
    Path("docs/performance.md"),
    """\
# Performance

How fast generated workers and natsgen are, compared with alternatives on the same machine. `make bench` writes this
page; do not edit it by hand.
""",
    ("worker", "job", "actions", "tool", "update"),
)
