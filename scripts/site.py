"""Builds the site from `docs/` and `mkdocs.yml`: `make docs`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from scripts import reference

ROOT = reference.ROOT
BUILDER = ROOT / ".venv" / "docs" / "bin" / "zensical"
LOADED = re.compile(
    r"<(?:script|img|iframe|source|link)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//([^\"' >]+)", re.IGNORECASE
)
IMPORTED = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//([^\"') ]+)")
NOT_LOADED = re.compile(r"<link\b[^>]*\brel=[\"']?(?:canonical|next|prev)\b[^>]*>", re.IGNORECASE)


def main() -> None:
    """Write the generated pages, build, and check."""
    reference.main()
    if subprocess.run([BUILDER, "build", "--strict", "--clean"], cwd=ROOT).returncode:
        raise SystemExit("the site has broken links or cannot be built")
    copy_sources()
    if asked := foreign(ROOT / "site"):
        raise SystemExit("pages ask other hosts:\n" + "\n".join(asked))
    print("site/index.html: the site; no page asks another host")


def copy_sources() -> None:
    """Put each page's Markdown beside it, for readers of llms.txt."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    _, quick_start, _ = re.split(r"<!-- --8<-- \[.*\] -->\n*", readme)
    for page in (ROOT / "docs").rglob("*.md"):
        text = page.read_text(encoding="utf-8").replace('--8<-- "README.md:quick-start"', quick_start.strip())
        (ROOT / "site" / page.relative_to(ROOT / "docs")).write_text(text, encoding="utf-8")


def foreign(site: Path) -> list[str]:
    """Return what pages and styles load from other hosts, with the file."""
    found = []
    for file in sorted([*site.rglob("*.html"), *site.rglob("*.css"), *site.rglob("*.svg")]):
        text = NOT_LOADED.sub("", file.read_text(encoding="utf-8"))
        pattern = IMPORTED if file.suffix == ".css" else LOADED
        found += [f"{file.relative_to(site)}: {address}" for address in pattern.findall(text)]
        if 'class="mermaid"' in text:  # the theme would load what draws it
            found.append(f"{file.relative_to(site)}: a Mermaid diagram")
    return found


if __name__ == "__main__":
    main()
