"""A template from anybody: it is data, reads nothing of the machine, and writes only below its service and compose/."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from natsgen.errors import TemplateError
from natsgen.parts.handlers import HANDLERS, Handler
from natsgen.rendering import limits, render
from natsgen.rendering.template_source import TemplateSource
from tests.hostile import oracle
from tests.hostile.places import Place
from tests.hostile.test_clones import git

URL = "https://example.org/template.git"
SERVICE = "template/services/{{ service_name }}"
FILES = {
    "copier.yml": (
        "_subdirectory: template\n_answers_file: services/{{ service_name }}/.copier-answers.yml\n"
        "service_name: {type: str}\nhandlers: {type: yaml, default: {}}\n"
    ),
    f"{SERVICE}/{{{{ _copier_conf.answers_file.name }}}}.jinja": "{{ _copier_answers|to_nice_yaml }}",
    f"{SERVICE}/text.txt": "plain\n",
}
DATA = {"service_name": "billing", "handlers": {"order_paid": "orders.order.paid"}}
NEW = ("new", "worker", "billing", "--subject", "orders.order.created")


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def template(tmp_path: Path) -> TemplateSource:
    """A small template of somebody else's."""
    return TemplateSource(write(tmp_path / "theirs", **FILES), URL, "v1.0.0")


def tagged(root: Path) -> Path:
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all", "--force")
    git(root, "commit", "--quiet", "--message", "x")
    git(root, "tag", "v1.0.0")
    return root


def refusal(template: TemplateSource) -> str:
    with pytest.raises(TemplateError) as caught:
        render.render(template, DATA)
    return str(caught.value)


def test_a_plain_template_is_rendered(template: TemplateSource) -> None:
    assert {path.name for path in render.render(template, DATA)} == {".copier-answers.yml", "text.txt"}


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("template/{{ '.git' }}/hooks/pre-commit", ".git/hooks/pre-commit"),
        ("template/{{ '.g' ~ 'it' }}/config", ".git/config"),
        (f"{SERVICE}/{{{{ '.GIT' }}}}/config", "services/billing/.GIT/config"),
        ("template/.github/workflows/evil.yml", ".github/workflows/evil.yml"),
        ("template/.gitlab-ci.yml", ".gitlab-ci.yml"),
        ("template/natsgen.toml", "natsgen.toml"),
        ("template/.gitattributes", ".gitattributes"),
        ("template/Makefile", "Makefile"),
        ("template/services/{{ 'other' }}/src/domain/handlers/evil_handler.py", "services/other/src/domain"),
        ("template/.natsgen/journal.json", ".natsgen/journal.json"),
        ("template/hooks/pre-commit", "hooks/pre-commit"),
        ("template/COMPOSE/billing.yml", "COMPOSE/billing.yml"),
    ],
)
def test_it_writes_nowhere_else(template: TemplateSource, name: str, written: str) -> None:
    write(template.folder, **{name: "x"})
    message = refusal(template)
    assert f"would write {written}" in message
    assert URL in message


@pytest.mark.parametrize(
    "name", ["template/{{ '..' }}/x", "template/{{ '/tmp' }}/x", "template/{{ '../' * 3 }}x.jinja"]
)
def test_it_does_not_write_outside(template: TemplateSource, name: str, tmp_path: Path) -> None:
    write(template.folder, **{name: "x"})
    before = oracle.snapshot(tmp_path)
    refusal(template)
    assert oracle.snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("_tasks: [touch ran]", "copier.yml:5: _tasks"),
        ("_migrations: [{version: v1, command: touch ran}]", "copier.yml:5: _migrations"),
        ("_jinja_extensions: [os.path]", "copier.yml:5: _jinja_extensions"),
        ("_external_data: {secret: /etc/passwd}", "copier.yml:5: _external_data"),
        ('"_tasks":\n  - touch ran', "copier.yml:5: _tasks"),
        ("_envops: {loader: x}", "copier.yml:5: _envops must not set loader"),
        ("_envops: {extensions: [os.path]}", "copier.yml:5: _envops must not set extensions"),
        ("---\n_tasks: [touch ran]", "copier.yml:6: _tasks"),
        ("other: !include /etc/passwd", "copier.yml:5: !include"),
        ("other: {default: [!include ../../secret.yml]}", "copier.yml:5: !include"),
    ],
)
def test_its_settings_run_and_fetch_nothing(template: TemplateSource, settings: str, message: str) -> None:
    write(template.folder, **{"copier.yml": f"{FILES['copier.yml']}{settings}\n"})
    assert message in refusal(template)


@pytest.mark.parametrize("settings", ["_answers_file: /tmp/x", "_templates_suffix: 1", "_exclude: [1]", "1: 2"])
def test_settings_that_copier_breaks_at_are_refused(template: TemplateSource, settings: str) -> None:
    write(template.folder, **{"copier.yml": f"{FILES['copier.yml']}{settings}\n"})
    assert "could not be rendered" in refusal(template)


@pytest.mark.parametrize("folder", ["..", "/etc", "{{ '..' }}", "template/../.."])
def test_its_files_are_in_it(template: TemplateSource, folder: str) -> None:
    text = FILES["copier.yml"].replace("_subdirectory: template", f'_subdirectory: "{folder}"')
    write(template.folder, **{"copier.yml": text})
    assert "copier.yml:1: _subdirectory must be a folder of the template" in refusal(template)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("/etc/passwd", "outside the template"),
        ("/dev/zero", "outside the template"),
        ("../../../../secret", "outside the template"),
        ("nowhere", "which is not a file"),
        ("leak", "which is not a file"),
        (".", "which is not a file"),
    ],
)
@pytest.mark.parametrize("folder", [SERVICE, "includes"])
def test_a_link_out_of_it_is_refused(template: TemplateSource, folder: str, target: str, why: str) -> None:
    (template.folder / folder).mkdir(exist_ok=True)
    (template.folder / folder / "leak").symlink_to(target)
    message = refusal(template)
    assert f"{folder}/leak is a link to {target}" in message
    assert why in message


def test_a_pipe_in_it_is_refused(template: TemplateSource) -> None:
    os.mkfifo(template.folder / SERVICE / "pipe.jinja")
    assert f"{SERVICE}/pipe.jinja is neither a file nor a folder" in refusal(template)


def test_a_link_within_it_is_a_file(template: TemplateSource) -> None:
    (template.folder / SERVICE / "same.txt").symlink_to("text.txt")
    assert "same.txt" in {path.name for path in render.render(template, DATA)}


@pytest.mark.parametrize(
    "text",
    [
        *(f"{{{{ '$SECRET' | {name} }}}}" for name in ("expandvars", "expanduser", "realpath", "relpath", "fileglob")),
        "{{ ['$SECRET'] | map('expandvars') | join }}",
        "{% set f = 'expandvars' %}{{ ['$SECRET'] | map(f) | join }}",
        "{% include '/etc/passwd' %}",
        "{% include '../../../../etc/passwd' %}",
        "{% import '/etc/passwd' as x %}",
        "{% extends '../x' %}",
        "{{ _copier_conf.src_path.joinpath('/etc/passwd').read_text() }}",
    ],
)
def test_it_reads_nothing_of_the_machine(template: TemplateSource, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    write(template.folder, **{f"{SERVICE}/leak.txt.jinja": f"first line\n{text}\n"})
    message = refusal(template)
    assert "s3cret" not in message
    assert f"{SERVICE}/leak.txt.jinja:2: " in message


@pytest.mark.parametrize(
    "text", ["{{ '$SECRET' | expandvars }}", "{% include '/etc/passwd' %}", "{{ '~' | expanduser }}"]
)
def test_a_part_of_it_reads_nothing_of_the_machine(
    template: TemplateSource, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    for folder, name in (
        (HANDLERS.folder, "{{ handler }}_handler.py"),
        (HANDLERS.tests, "test_{{ handler }}_handler.py"),
    ):
        file = f"{SERVICE}/{folder}/{{% yield handler from handlers %}}{name}{{% endyield %}}.jinja"
        write(template.folder, **{file: text})
    with pytest.raises(TemplateError) as caught:
        render.render_part(template, DATA, Handler("order_paid", "orders.order.paid"))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("command", [NEW, (*NEW, "--dry-run")], ids=["new", "dry run"])
@pytest.mark.parametrize("inside", [True, False], ids=["brought along", "elsewhere"])
def test_what_natsgen_toml_names_is_not_followed(command: tuple[str, ...], inside: bool, place: Place) -> None:
    tagged(write((place.workspace if inside else place.outside) / "tpl", **FILES))
    named = "tpl" if inside else "../outside/tpl"
    (place.workspace / "natsgen.toml").write_text(f'template = "{named}"\n')
    ran = place.run(*command)
    oracle.check_refused(ran)
    assert f"natsgen.toml names the template {named}, which you have not accepted yet" in ran.err
    assert "--trust-template" in ran.err


@pytest.mark.parametrize(
    "url", ["../outside/tpl", "file:///nowhere/x.git", "https://127.0.0.1:9/x.git", "ext::touch ran"]
)
@pytest.mark.parametrize(
    "command",
    [
        ("update", "--all"),
        ("check", "--all"),
        ("show", "billing"),
        ("diff", "billing"),
        ("answers", "billing", "set", "dedup=redis"),
        ("add-handler", "billing", "orders.order.paid"),
        ("add-action", "billing", "quote"),
        ("repair", "billing"),
    ],
    ids=lambda command: command[0],
)
def test_what_an_answers_file_names_is_not_followed(command: tuple[str, ...], url: str, with_service: Place) -> None:
    tagged(write(with_service.outside / "tpl", **FILES))
    answers = with_service.workspace / "services/billing/.copier-answers.yml"
    lines = [line for line in answers.read_text().splitlines() if not line.startswith("_src_path")]
    answers.write_text("\n".join([*lines, f"_src_path: '{url}'", ""]))
    ran = with_service.run(*command)
    oracle.check_refused(ran)
    assert f".copier-answers.yml names the template {url}, which you have not accepted yet" in ran.err


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in range(9999) %}{% for b in range(9999) %}{{ range(9999) | sum }}{% endfor %}{% endfor %}",
        "{{ 'x' * 2000000000 }}",
        "{% set n = namespace(x='x') %}{% for _ in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{{ 9 ** (9 ** 9) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ],
)
def test_what_takes_too_much_is_ended(template: TemplateSource, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.2)
    write(template.folder, **{f"{SERVICE}/bomb.txt.jinja": text})
    assert "could not be rendered" in refusal(template)


def test_a_version_that_an_answers_file_has_writes_nothing_on_the_terminal(with_service: Place) -> None:
    answers = with_service.workspace / "services/billing/.copier-answers.yml"
    lines = [line for line in answers.read_text().splitlines() if not line.startswith("_commit")]
    answers.write_text("\n".join([*lines, '_commit: "\\e[2J"', ""]))
    for command in (("list",), ("show", "billing"), ("check", "--all"), ("update", "billing")):
        ran = with_service.run(*command)
        assert "\x1b" not in ran.out + ran.err


def test_a_token_that_an_answers_file_has_is_not_shown(with_service: Place) -> None:
    answers = with_service.workspace / "services/billing/.copier-answers.yml"
    lines = [line for line in answers.read_text().splitlines() if not line.startswith("_src_path")]
    answers.write_text("\n".join([*lines, "_src_path: https://s3cret@example.org/x.git", ""]))
    for command in (("check", "--all", "--json"), ("show", "billing"), ("update", "billing"), ("answers", "billing")):
        ran = with_service.run(*command)
        assert "s3cret" not in ran.out + ran.err
        assert not ran.changed


def test_once_it_is_accepted_it_is_remembered_outside_of_the_repository(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    tagged(write(place.outside / "tpl", **FILES))
    (place.workspace / "natsgen.toml").write_text('template = "../outside/tpl"\n')
    accepted = place.run(*NEW, "--trust-template")
    assert accepted.code == 0, accepted.err
    assert f"{SERVICE}/text.txt" in accepted.err  # what it holds was shown
    assert (tmp_path / "config/natsgen/trusted-templates").read_text() == f"{place.outside / 'tpl'}\n"
    assert place.run("new", "worker", "audit", "--subject", "a.b").code == 0
    assert place.run("check", "--all").code == 0


def test_what_a_person_names_is_accepted_for_the_services_made_of_it(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    tagged(write(place.outside / "tpl", **FILES))
    assert place.run(*NEW, "--template", "../outside/tpl").code == 0
    assert place.run("check", "--all").code == 0


@pytest.mark.parametrize(("typed", "code"), [("yes\nyes\n", 0), ("yes\nno\n", 1), ("no\n", 1), ("\n", 1)])
def test_a_person_is_asked_and_shown_what_is_in_it(place: Place, tmp_path: Path, typed: str, code: int) -> None:
    tagged(write(place.outside / "tpl", **FILES))
    (place.workspace / "natsgen.toml").write_text('template = "../outside/tpl"\n')
    ours, theirs = pty.openpty()
    os.write(ours, typed.encode())
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    process = subprocess.Popen(
        [sys.executable, "-m", "natsgen", *NEW],
        cwd=place.workspace,
        env=environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    assert process.communicate(timeout=60)[0] is not None
    said = os.read(ours, 100_000).decode()
    assert process.returncode == code
    assert "Fetch it and list its files?" in said
    assert (f"{SERVICE}/text.txt" in said) == typed.startswith("yes")
    assert (place.workspace / "services/billing").exists() == (code == 0)
    os.close(ours)
    os.close(theirs)
