"""The small parts of `natsgen smoke`: what is read from files and subjects, and the order of steps."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from natsgen.answers import questions
from natsgen.errors import GitError, InputError
from natsgen.files import tree
from natsgen.harness.docker_engine import Availability
from natsgen.parts import naming
from natsgen.rendering import template_source
from natsgen.rendering.template_source import TemplateSource
from natsgen.smoke import gates, matrix, run, steps, template_at, traffic, updating
from natsgen.smoke.steps import SLOW_SECONDS, CheckFailed, Interrupted, LeftOut, Result, Step, Stopping, Verdict
from natsgen.smoke.work import Work
from natsgen.update import releases

DOCKERFILE = """\
# comment
FROM registry.example.com/python:3.13-slim AS build
USER root
RUN one && \\
    two
FROM --platform=linux/amd64 python:3.13-slim
COPY --from=build /x /x
USER 10001:10001
HEALTHCHECK --interval=10s CMD ["python", "-m", "health"]
"""


def raising(error: BaseException) -> Step:
    def do() -> str | None:
        raise error

    return Step("first", do)


def test_user_and_health_check_are_what_the_last_stage_says(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    assert gates.last_stage(tmp_path / "Dockerfile") == ("10001:10001", ["python", "-m", "health"])


@pytest.mark.parametrize(("user", "found"), [("", ""), ("USER root\n", "root"), ("USER worker\nFROM python\n", "")])
def test_a_user_of_another_stage_is_none_of_the_image(tmp_path: Path, user: str, found: str) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM python\n{user}")
    assert gates.last_stage(tmp_path / "Dockerfile") == (found, [])


def test_a_health_check_may_be_a_line_for_the_shell(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python\nHEALTHCHECK CMD curl -f http://x || exit 1\n")
    assert gates.last_stage(tmp_path / "Dockerfile")[1] == ["sh", "-c", "curl -f http://x || exit 1"]


@pytest.mark.parametrize(
    ("pattern", "subject", "heard"),
    [
        ("a.b.c", "a.b.c", True),
        ("a.*.c", "a.b.c", True),
        ("a.*", "a.b.c", False),
        ("a.>", "a.b.c", True),
        ("a.b.c.>", "a.b.c", False),
        (">", "a", True),
    ],
)
def test_a_subject_is_heard_as_nats_has_it(pattern: str, subject: str, heard: bool) -> None:
    assert naming.matches(pattern, subject) is heard
    assert naming.matches(pattern, traffic.literal(pattern))


@pytest.mark.parametrize(
    ("error", "verdict", "second"),
    [
        (CheckFailed("x"), Verdict.FAILED, Verdict.NOT_REACHED),
        (LeftOut("x"), Verdict.LEFT_OUT, Verdict.LEFT_OUT),
        (KeyError("x"), Verdict.FAILED, Verdict.NOT_REACHED),
    ],
)
def test_what_builds_on_a_step_is_done_only_if_it_can_be(error: Exception, verdict: Verdict, second: Verdict) -> None:
    told: list[str] = []
    results = steps.run(
        "one",
        [
            raising(error),
            Step("second", lambda: "seen", ("first",)),
            Step("third", lambda: None, ("second",)),
            Step("own", lambda: None),
        ],
        told.append,
        Stopping(),
    )
    assert [result.verdict for result in results] == [verdict, second, second, Verdict.PASSED]
    assert told == [f"one: first FAILED: {results[0].message}"] * (verdict is Verdict.FAILED)


def test_a_step_that_takes_long_is_told() -> None:
    slow, quick = (Result("one", "mypy", Verdict.PASSED, seconds) for seconds in (SLOW_SECONDS, SLOW_SECONDS / 2))
    assert [steps.progress(slow), steps.progress(quick)] == ["one: mypy passed (3 s)", ""]


def test_what_leads_to_a_step_is_what_it_needs_in_order() -> None:
    known = [
        Step("a", lambda: None),
        Step("b", lambda: None, ("a",)),
        Step("c", lambda: None, ("a",)),
        Step("d", lambda: None, ("c",)),
    ]
    assert [step.name for step in steps.leading_to(known, ["d"])] == ["a", "c", "d"]
    assert [step.name for step in steps.leading_to(known, ["b", "c"])] == ["a", "b", "c"]


@pytest.mark.parametrize("envelope", [traffic.DOMAIN, traffic.MESSAGE, traffic.CLOUD_EVENTS])
def test_an_event_is_as_the_schema_of_its_envelope_has_it(envelope: str) -> None:
    name = {traffic.DOMAIN: "event", traffic.MESSAGE: "message", traffic.CLOUD_EVENTS: "cloudevent"}[envelope]
    (file,) = template_source.bundled().folder.glob(f"template/services/*/schemas/{name}.json")
    sent = traffic.event("orders.order.created", 7, envelope)
    content = json.loads(sent.payload)
    assert set(json.loads(file.read_text())["required"]) <= content.keys()
    assert content["data"] == {"number": 7}


def work_on(template: TemplateSource, root: Path) -> Work:
    """Return a sample of a template that is one of natsgen's own, whatever it asks."""
    asked = questions.read(template_source.bundled().folder)
    return Work(matrix.samples(asked)[0], template, asked, root, "", Availability(""), Stopping())


def test_a_template_and_the_version_before_it_are_in_a_repository(tmp_path: Path) -> None:
    before = updating.earlier_version(work_on(template_source.bundled(), tmp_path), tmp_path / "versions")

    with releases.of(before.url, tmp_path) as found:
        assert found.versions == (updating.FIRST, updating.SECOND)
        old, new = (tree.read(found.template(version).folder) for version in found.versions)
    assert old == tree.read(before.folder)
    gone, changed, added = map(PurePosixPath, tree.differences(old, new))
    assert (gone.name, changed.name) == (updating.GONE, "main.py")
    assert (gone in old, gone in new, added in old, added in new) == (True, False, False, True)
    assert old[changed].content == new[changed].content + updating.LINE.encode()


def test_a_template_in_which_nothing_can_differ_is_not_updated(tmp_path: Path) -> None:
    (tmp_path / "template").mkdir()
    (tmp_path / "template/a.jinja").write_text("a")
    (tmp_path / "copier.yml").write_text("a: b\n")
    with pytest.raises(LeftOut):
        updating.earlier_version(work_on(TemplateSource(tmp_path, "x", "v1"), tmp_path), tmp_path / "versions")


def test_a_run_that_is_given_up_has_no_failures() -> None:
    told: list[str] = []
    stopping = Stopping()

    def ended_from_outside() -> str | None:
        stopping.request()
        raise CheckFailed("killed")

    with pytest.raises(Interrupted):
        steps.run("one", [Step("first", ended_from_outside), Step("second", lambda: None)], told.append, stopping)
    assert told == []
    with pytest.raises(Interrupted):
        stopping.check()


def test_a_template_is_a_folder_or_a_repository_at_a_tag(tmp_path: Path) -> None:
    source = tmp_path / "fork"
    source.mkdir()
    (source / "copier.yml").write_text("one: 1\n")
    git = ["git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"], ["tag", "v1"]):
        subprocess.run([*git, *words], check=True)
    (source / "copier.yml").write_text("two: 2\n")
    with template_at.template(str(source)) as found:
        assert found.folder == source
    with template_at.template(f"file://{source}@v1") as found:
        assert (found.folder / "copier.yml").read_text() == "one: 1\n"
        cloned = found.folder
    assert not cloned.exists()


def test_a_template_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no copier\.yml"), template_at.template(str(tmp_path)):
        pass
    with pytest.raises(InputError, match="no such folder"), template_at.template(str(tmp_path / "nothing")):
        pass
    given = f"file://{tmp_path}/nothing"
    with pytest.raises(GitError, match=r"nothing cannot be read: .*does not"), template_at.template(given):
        pass


def test_an_unknown_backend_is_named() -> None:
    with pytest.raises(InputError, match="--backend: invalid value 'dockr'"):
        run.backend_for("dockr", Availability(""))
