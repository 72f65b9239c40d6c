"""The packages: one table for the tool and one for plain Copier, and what is found of them in a service's folder."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from jinja2 import Environment
from pathspec import PathSpec

from natsgen.answers import questions
from natsgen.errors import InputError
from natsgen.parts import package_imports, packages
from natsgen.parts.handlers import Handler
from natsgen.parts.kinds import KINDS
from natsgen.parts.packages import BY_NAME, DEPLOY_NAMES, EXTRA_NAMES, PACKAGES
from natsgen.rendering import render, template_source

TEMPLATE = template_source.bundled()
COPIER = yaml.safe_load((TEMPLATE.folder / "copier.yml").read_text())
NOTHING: dict[str, Any] = {
    **{question: {} for question in KINDS},
    "framework": "none",
    "dedup": "none",
    "envelope": "domain",
    "extras": [],
    "deploy": [],
}
EVERYTHING = {
    "service_name": "all",
    "handlers": {"one": "a.b", "many": {"subject": "a.e", "batch": True}},
    "actions": {"act": {}},
    "tasks": {"do": {"queue": "jobs"}},
    "publishers": {"beat": "a.c"},
    "subscribers": {"ear": "a.d"},
    "framework": "fastapi",
    "routes": {"home": {"method": "GET", "path": "/", "call": "v1.all.act"}},
    "dedup": "nats-kv",
    "extras": list(EXTRA_NAMES),
    "deploy": list(DEPLOY_NAMES),
}


@cache
def files() -> tuple[PurePosixPath, ...]:
    """The files of a service with every package, below its folder."""
    made = render.render(TEMPLATE, EVERYTHING)
    folder = PurePosixPath("services/all")
    return tuple(path.relative_to(folder) for path in made if path.is_relative_to(folder))


def by_copier(answers: dict[str, Any]) -> frozenset[str]:
    """The packages that copier.yml works out for answers."""
    environment = Environment()
    environment.filters["to_json"] = json.dumps
    return frozenset(json.loads(environment.from_string(COPIER["packages"]["default"]).render(answers)))


@pytest.mark.parametrize("name", BY_NAME)
def test_copier_leaves_out_what_the_table_says(name: str) -> None:
    wanted = packages.closure([name])
    chosen = {**EVERYTHING, "packages": wanted}
    lines = [Environment().from_string(line).render(chosen) for line in COPIER["_exclude"]]
    left_out = PathSpec.from_lines("gitignore", lines)
    by_table = {path for path in files() if (of := packages.of_path(path)) and not wanted & set(of)}
    assert {path for path in files() if left_out.match_file(f"/services/all/{path}")} == by_table


@pytest.mark.parametrize(
    "answers",
    [
        {},
        *({kind.question: {"one": {}}} for kind in KINDS.values() if kind.question != "routes"),
        *({question: [name]} for question, names in packages.NAMES.items() for name in names),
        {"framework": "django", "routes": {"one": {}}},
        *({"dedup": dedup} for dedup in ("nats-kv", "redis")),
        *({"envelope": envelope} for envelope in ("message", "cloudevents")),
        EVERYTHING,
    ],
)
def test_copier_needs_what_the_table_says(answers: dict[str, Any]) -> None:
    of_parts = {name for question, kind in KINDS.items() if answers.get(question) for name in kind.needs}
    for name, entry in answers.get("handlers", {}).items():
        of_parts |= packages.needs_of_part(Handler.from_answer(name, entry)) if entry else set()
    wanted = packages.closure({*of_parts, *packages.of_answers(answers)})
    assert by_copier({**NOTHING, **answers}) == wanted


def test_copier_asks_for_what_the_table_has() -> None:
    asked = questions.read(TEMPLATE.folder)
    assert packages.QUESTION in asked.computed
    assert packages.QUESTION not in asked.questions
    for question, names in packages.NAMES.items():
        for name in names:
            assert f" {name}" in COPIER[question]["help"]
            assert f"'{name}'" in COPIER[question]["validator"]


def test_a_package_stands_before_those_that_it_needs_and_names_all_of_them() -> None:
    order = list(BY_NAME)
    for package in PACKAGES:
        assert all(order.index(package.name) < order.index(need) for need in package.needs)
        assert packages.closure([package.name]) == {package.name, *package.needs}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_the_marker_of_a_package_is_in_it_alone_and_the_template_makes_it(package: packages.Package) -> None:
    marker = PurePosixPath(package.marker)
    assert packages.of_path(marker) == (package.name,)
    assert marker in files()


def test_every_kind_needs_packages_that_there_are() -> None:
    assert all(kind.needs and packages.closure(kind.needs) >= set(kind.needs) for kind in KINDS.values())


def test_packages_are_found_by_their_files_and_needed_by_parts_and_answers(tmp_path: Path) -> None:
    assert packages.found(tmp_path) == frozenset()
    for path in ("src/actions/__init__.py", "src/domain/actions/greet_action.py", "src/domain/actions/other.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert packages.found(tmp_path) == {"actions"}
    assert packages.needed(tmp_path, {}) == {"actions", "requests"}
    part = PurePosixPath("src/domain/actions/greet_action.py")
    assert packages.needed(tmp_path, {"dedup": "redis", "extras": ["decoders"]}, [part]) == {"inbox", "decoders"}


def test_a_handler_of_a_list_needs_a_package_more(tmp_path: Path) -> None:
    file = tmp_path / "src/domain/handlers/paid_handler.py"
    file.parent.mkdir(parents=True)
    text = '@subscriber("sales.paid")\nasync def handle_paid(events: {}) -> None: ...\n'
    file.write_text(text.format("Event[Paid]"))
    assert packages.needed(tmp_path, {}) == {"handlers"}
    file.write_text(text.format("list[Event[Paid]]"))
    assert packages.needed(tmp_path, {}) == {"handlers", "batch"}
    assert packages.needed(tmp_path, {}, [PurePosixPath("src/domain/handlers/paid_handler.py")]) == frozenset()


@pytest.mark.parametrize(
    "wrong", [{"dedup": []}, {"envelope": {"a": 1}}, {"extras": "kv"}, {"extras": 3}, {"extras": ["x"]}]
)
def test_answers_that_make_no_sense_ask_for_nothing(wrong: dict[str, Any]) -> None:
    assert packages.of_answers(wrong) == frozenset()


def test_an_unknown_extra_is_refused_with_the_nearest() -> None:
    assert packages.check("extras", ["objects", "kv", "kv"]) == ["kv", "objects"]
    with pytest.raises(InputError, match=r"unknown extra 'object'; did you mean 'objects'\? \(available: batches, "):
        packages.check("extras", ["object"])


def test_a_service_has_no_file_of_a_package_that_it_does_not_need() -> None:
    made = render.render(TEMPLATE, {"service_name": "billing", "actions": {"act": {}}})
    folder = PurePosixPath("services/billing")
    there = {
        name for path in made if path.is_relative_to(folder) for name in packages.of_path(path.relative_to(folder))
    }
    assert there == {"actions", "requests"}


def test_packages_that_are_given_win_over_those_that_the_answers_need_and_are_not_stored() -> None:
    made = render.render(TEMPLATE, EVERYTHING, with_packages=["requests"])
    assert PurePosixPath("services/all/src/requests/__init__.py") in made
    assert PurePosixPath("services/all/src/actions/__init__.py") not in made
    stored = yaml.safe_load(made[PurePosixPath("services/all/.copier-answers.yml")].content)
    assert packages.QUESTION not in stored
    assert stored["extras"] == list(EXTRA_NAMES)


@cache
def imports() -> dict[PurePosixPath, frozenset[PurePosixPath]]:
    """What each Python file of a service with every package imports of the service, below its folder."""
    made = render.render(TEMPLATE, {**EVERYTHING, "extras": list(EXTRA_NAMES)})
    with TemporaryDirectory() as name:
        for path, file in made.items():
            (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(name) / path).write_bytes(file.content)
        service = Path(name, "services/all")
        return {
            path: package_imports.imported_by(service, path, even_in_texts=False) & set(files())
            for path in files()
            if path.suffix == ".py"
        }


def test_a_package_imports_only_what_it_needs_and_the_core_nothing_of_any() -> None:
    wrong = [
        f"{path} ({name or 'core'}) imports {other} ({', '.join(sorted(of))})"
        for path, imported in imports().items()
        for name in packages.of_path(path) or ("",)
        for other in imported
        if (of := set(packages.of_path(other))) and not of & packages.closure([name])
    ]
    assert sorted(wrong) == []
