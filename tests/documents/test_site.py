"""The site: generated pages are current, every page is in the navigation, and every link leads somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from scripts import reference

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "examples").glob("*/*.md"), *DOCS.rglob("*.md")])
IN_REPOSITORY = re.compile(r"https://github\.com/natsgen/natsgen/(?:blob|tree)/main/([^)\s#]+)")


@pytest.mark.parametrize(("file", "text"), tuple(reference.pages()), ids=lambda one: getattr(one, "stem", ""))
def test_generated_pages_are_current(file: Path, text: str) -> None:
    assert file.read_text() == text, f"{file.relative_to(ROOT)} is stale: run .venv/bin/python -m scripts.reference"


def test_every_page_is_in_the_navigation() -> None:
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert sorted(reference.pages_in(navigation)) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^( *)```.*?^\1```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    broken = [link for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text) if not is_there(page, link)]
    broken += [path for path in IN_REPOSITORY.findall(text) if not (ROOT / path).exists()]
    assert broken == []


def is_there(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading.strip().lower())) for heading in headings}


def test_warnings_and_errors_of_a_service_are_explained() -> None:
    page = (DOCS / "troubleshooting.md").read_text()
    source = "\n".join(file.read_text() for file in reference.SOURCE.rglob("*.py"))
    said = re.findall(r'logger\.(?:warning|error|critical)\(\s*"([^"]+)"', source)
    assert len(said) > 40
    assert [message for message in said if message not in page] == []


def test_messages_that_are_explained_are_in_the_code() -> None:
    source = "\n".join(file.read_text() for file in reference.SOURCE.rglob("*.py"))
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # texts that continue on the next line
    tables = (DOCS / "troubleshooting.md").read_text().split("\n## Symptoms")[0]
    rows = [row for line in re.findall(r"^\| (`.+?`) \|", tables, re.MULTILINE) for row in re.findall(r"`(.+?)`", line)]
    parts = [part.strip() for row in rows for part in row.split("...")]
    assert len(rows) > 30
    assert [part for part in parts if part not in source] == []


def test_headers_of_dead_letters_are_listed() -> None:
    source = (reference.SOURCE / "infrastructure/dead_letters.py").read_text()
    listed = re.findall(r"`(Dlq-[A-Za-z-]+)`", (DOCS / "reference/headers.md").read_text())
    assert sorted(set(listed)) == sorted(set(re.findall(r'"(Dlq-[A-Za-z-]+[a-z])"', source)))


def test_names_on_the_server_are_in_the_code() -> None:
    source = "\n".join(file.read_text() for file in reference.SOURCE.rglob("*.py"))
    page = (DOCS / "reference/names.md").read_text()
    names = re.findall(r"`([^`]+)`", " ".join(line for line in page.splitlines() if line.startswith("| ")))
    parts = {part for name in names for part in re.split(r"<[^>]+>|ORDERS|orders|[.$>]*$", name) if len(part) > 1}
    assert len(parts) > 15
    assert [part for part in sorted(parts) if part not in source] == []


def test_options_of_a_handler_are_listed() -> None:
    module = ast.parse((reference.SOURCE / "infrastructure/subscription.py").read_text())
    [options] = [node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Subscription"]
    section = (DOCS / "guides/handlers.md").read_text().split("## Options of `subscriber`")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    fields = [ast.unparse(node.target) for node in options.body if isinstance(node, ast.AnnAssign)]
    assert sorted(listed) == sorted(set(fields) - {"handler", "subject", "function"})
