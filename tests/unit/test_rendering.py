from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from natsgen.answers import answers, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.errors import InputError, TemplateError
from natsgen.parts import naming
from natsgen.parts.handlers import Handler
from natsgen.rendering import render, template_source
from natsgen.rendering.template_source import TemplateSource

DATA = {"service_name": "billing", "handlers": {"paid": "orders.paid"}, "description": "Bills", "dedup": "none"}
ANSWERS = PurePosixPath("services/billing/.copier-answers.yml")
TEXT = PurePosixPath("services/billing/text.txt")


def test_the_tree_is_the_templates_with_the_answers_in_it(template: TemplateSource) -> None:
    rendered = render.render(template, DATA)
    assert [str(path) for path in rendered] == [
        "compose/billing.yml",
        "compose/shared.yml",
        "services/billing/.copier-answers.yml",
        "services/billing/empty",
        "services/billing/run.sh",
        "services/billing/text.txt",
    ]
    assert rendered[TEXT].content == b"Bills\n"
    assert rendered[PurePosixPath("services/billing/run.sh")].executable
    assert not rendered[TEXT].executable


def test_the_answers_file_names_the_stable_source_and_no_path_of_this_machine(template: TemplateSource) -> None:
    text = render.render(template, DATA)[ANSWERS].content.decode()
    assert text.startswith("# note\n_commit: v1.2.3\n_src_path: https://example.org/template.git\n")
    assert str(template.folder) not in text
    assert yaml.safe_load(text) == {**DATA, "_commit": "v1.2.3", "_src_path": "https://example.org/template.git"}


def test_a_git_checkout_is_rendered_as_it_is_and_not_at_its_latest_tag(
    template: TemplateSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(template.folder)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["tag", "v0.0.1"]):
        subprocess.run([*git, *command], check=True)
    file = template.folder / "template" / "services" / "{{ service_name }}" / "text.txt.jinja"
    file.write_text("newer\n")
    monkeypatch.setenv("GIT_DIR", str(template.folder / ".git"))
    assert render.render(template, DATA)[TEXT].content == b"newer\n"


def test_the_persons_own_copier_settings_change_nothing(
    template: TemplateSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings.yml").write_text("defaults: {dedup: redis, description: theirs}\nnonsense: [")
    monkeypatch.setenv("COPIER_SETTINGS_PATH", str(tmp_path / "settings.yml"))
    assert yaml.safe_load(render.render(template, DATA)[ANSWERS].content)["dedup"] == "none"


@pytest.mark.parametrize("content", ["{{ nothing.at.all }}", "{% if %}"])
def test_a_template_that_does_not_render_is_one_error(template: TemplateSource, content: str) -> None:
    (template.folder / "template" / "broken.jinja").write_text(content)
    with pytest.raises(TemplateError, match="could not be rendered"):
        render.render(template, DATA)


def test_a_template_that_asks_for_trust_is_refused(template: TemplateSource, tmp_path: Path) -> None:
    file = template.folder / "copier.yml"
    file.write_text(f"{file.read_text()}\n_tasks: ['touch {tmp_path}/ran']\n")
    with pytest.raises(TemplateError, match=r"copier\.yml:\d+: _tasks may run"):
        render.render(template, DATA)
    assert not (tmp_path / "ran").exists()


def test_nothing_is_left_in_the_temporary_folder(
    template: TemplateSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    render.render(template, DATA)
    assert list((tmp_path / "temporary").iterdir()) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.sampled_from("{}%#$`'\"\\:-|> &*!@,[]ä🎉x\n\0\u2028"), min_size=1, max_size=40) | st.text())
def test_a_description_is_refused_or_ends_up_as_plain_data(template: TemplateSource, text: str) -> None:
    try:
        checked = naming.description(text)
    except InputError:
        return
    rendered = render.render(template, {**DATA, "description": checked})
    assert rendered[TEXT].content.decode() == f"{checked}\n"
    assert yaml.safe_load(rendered[ANSWERS].content)["description"] == checked


def test_the_real_template_takes_hostile_answers_as_data() -> None:
    template = template_source.bundled()
    asked = questions.read(template.folder)
    hostile = "'\"\\ {{ 7 * 7 }} {% raw %} ${HOME} $(id) `id` # : - | & * ! 🎉"
    handlers = naming.names_for(["a.none", "A-b_c.>", "orders"])
    given = GivenAnswers.of({"service_name": "b" * 48, "handlers": handlers, "description": hostile}, {})
    rendered = render.render(template, answers.complete(given, asked, Path("/w")).as_data())
    stored = yaml.safe_load(rendered[PurePosixPath("services", "b" * 48, ".copier-answers.yml")].content)
    assert stored["description"] == hostile
    assert stored["handlers"] == {"a_none": "a.none", "a_b_c_all": "A-b_c.>", "orders": "orders"}
    for path, file in rendered.items():
        if path.suffix == ".py":
            compile(file.content, str(path), "exec")


@pytest.mark.parametrize("line", ["_subdirectory: blueprint\n", "_subdirectory: 'blueprint'  # ours\n"])
def test_a_part_is_rendered_alone_wherever_the_templates_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    handlers = tmp_path / "blueprint/services/{{ service_name }}/src/domain/handlers"
    tests = tmp_path / "blueprint/services/{{ service_name }}/tests/handlers"
    for folder, name in ((handlers, "{{ handler }}_handler.py"), (tests, "test_{{ handler }}_handler.py")):
        folder.mkdir(parents=True)
        file = folder / f"{{% yield handler from handlers %}}{name}{{% endyield %}}.jinja"
        file.write_text("# {{ handlers[handler] }}\n")
    (tmp_path / "copier.yml").write_text(line)
    monkeypatch.setattr(render, "_run_copier", None)

    handler = Handler("order_made", "orders.order.made")
    made = render.render_part(TemplateSource(tmp_path, "x", "v1"), {"service_name": "billing"}, handler)

    assert {file.content for file in made.values()} == {b"# orders.order.made\n"}


def test_a_part_of_a_template_with_other_delimiters_is_what_the_whole_makes(template: TemplateSource) -> None:
    questions_file = template.folder / "copier.yml"
    marks = '_envops: {variable_start_string: "[[", variable_end_string: "]]"}\n'
    questions_file.write_text(questions_file.read_text() + marks)
    service = template.folder / "template" / "services" / "[[ service_name ]]"
    service.with_name("{{ service_name }}").rename(service)
    for folder, name in (("src/domain/handlers", "%s_handler.py"), ("tests/handlers", "test_%s_handler.py")):
        (service / folder).mkdir(parents=True)
        name = "{% yield handler from handlers %}" + name % "[[ handler ]]" + "{% endyield %}.jinja"
        (service / folder / name).write_text("[[ handlers[handler] ]] {{ kept }}\n")
    part = render.render_part(template, DATA, Handler("paid", "orders.paid"))
    assert {file.content for file in part.values()} == {b"orders.paid {{ kept }}\n"}
