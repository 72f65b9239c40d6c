"""The template that cookiecutter is measured with."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import tool_rivals
from natsgen.rendering import template_source

ANSWERS = {"service_name": "billing", "handlers": {"order_created": "orders.order.created"}, "workspace": "shop"}


def test_every_file_is_there_once_and_what_is_plain_is_only_copied(tmp_path: Path) -> None:
    plain = tool_rivals.make_plain(template_source.bundled().folder, tmp_path / "plain")
    made = tool_rivals.make_cookiecutter(plain, tmp_path / "made", ANSWERS)
    service = made / "{{ cookiecutter.workspace }}/services/{{ cookiecutter.service_name }}"
    assert (service / "src/domain/handlers/{{ cookiecutter.handler }}_handler.py").is_file()
    assert (service / "src/main.py").read_bytes() == next(plain.rglob("src/main.py")).read_bytes()
    assert "{% set service_name = cookiecutter.service_name %}" in (service / "README.md").read_text()
    names = [path.name for path in made.rglob("*")]
    included = {path.name for path in (plain / "includes").iterdir()}
    assert not [name for name in names if name.endswith(".jinja") and name not in included]
    assert not [name for name in names if "{%" in name or "_copier" in name]


def test_nothing_that_is_rendered_is_among_what_is_only_copied(tmp_path: Path) -> None:
    plain = tool_rivals.make_plain(template_source.bundled().folder, tmp_path / "plain")
    made = tool_rivals.make_cookiecutter(plain, tmp_path / "made", ANSWERS)
    copied = json.loads((made / "cookiecutter.json").read_text())["_copy_without_render"]
    rendered = [path for path in made.rglob("*") if path.is_file() and "{% set " in path.read_text()]
    for path in rendered:
        relative = path.relative_to(made).as_posix()
        assert not any(relative == one or relative.startswith(one.removesuffix("*")) for one in copied)
    assert len(rendered) > 5
