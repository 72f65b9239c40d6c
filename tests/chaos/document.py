"""docs/reliability.md: written by programs, a section each, so that one leaves the other's alone."""

from __future__ import annotations

import re
from pathlib import Path

FILE = Path("docs/reliability.md")

HEAD = """\
# Reliability

What generated workers did under faults, measured. Written by `make chaos` and `make soak`; do not edit by hand.
"""

ORDER = ("chaos", "soak")


def write_section(name: str, text: str) -> None:
    """Puts `text` in the place of the section `name`, and keeps the rest."""
    sections = _sections()
    sections[name] = text.strip()
    parts = [f"<!-- {one}: begin -->\n\n{sections[one]}\n\n<!-- {one}: end -->\n" for one in ORDER if one in sections]
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text("\n".join([HEAD, *parts]), encoding="utf-8")


def _sections() -> dict[str, str]:
    if not FILE.exists():
        return {}
    pattern = r"<!-- (\w+): begin -->\n(.*?)\n<!-- \1: end -->"
    return {name: text.strip() for name, text in re.findall(pattern, FILE.read_text(encoding="utf-8"), re.DOTALL)}
