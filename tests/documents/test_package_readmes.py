"""Every package of a service has a README of its own, which names its settings and shows code that is Python."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from jinja2 import Environment

from tests.documents.blocks import blocks_of
from tests.template.source import SERVICE

CORE = {"domain", "infrastructure", "utils"}
FOLDERS = sorted(path for path in (SERVICE / "src").iterdir() if path.is_dir() and path.name not in {*CORE, "pubsub"})
PACKAGES = [*FOLDERS, *(path for path in (SERVICE / "src/pubsub").iterdir() if path.is_dir())]
PACKAGES = [path for path in PACKAGES if path.name[0] not in "._"]


def readme(folder: Path) -> str:
    """Return the README of a package, for both web frameworks if it depends on them."""
    if (folder / "README.md").exists():
        return (folder / "README.md").read_text()
    template = Environment(autoescape=False).from_string((folder / "README.md.jinja").read_text())
    return "\n".join(template.render(framework=framework) for framework in ("fastapi", "django"))


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda path: path.name)
def test_a_package_has_a_readme(folder: Path) -> None:
    text = readme(folder)

    assert text.startswith("# ")
    assert [link for link in re.findall(r"\]\((?!https?:)([^)#]+)", text) if not (folder / link).exists()] == []


@pytest.mark.parametrize("folder", [path for path in PACKAGES if (path / "settings.py").exists()], ids=lambda p: p.name)
def test_a_readme_names_every_setting(folder: Path) -> None:
    tree = ast.parse((folder / "settings.py").read_text())
    targets = [node.target for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)]
    fields = {target.id for target in targets if isinstance(target, ast.Name)} - {"SECRETS"}

    named = set(re.findall(r"`([A-Z_]+)(?:`|: )", readme(folder)))

    assert fields
    assert fields - named == set()


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda path: path.name)
def test_code_that_is_shown_is_python(folder: Path) -> None:
    for block in blocks_of(readme(folder), folder.name):
        if block.language == "python":
            compile(block.text, block.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
