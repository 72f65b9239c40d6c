"""Each deliberate fault is caught and named by the step that should.

All of them are worked on in one run, side by side, because most of the time of each is spent waiting. Of each only the
steps are done that lead to the one which should name it, so that it is that one, and no other in passing.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from natsgen.answers import questions
from natsgen.harness.docker_engine import docker_available
from natsgen.harness.programs import find_program
from natsgen.rendering import template_source
from natsgen.rendering.template_source import TemplateSource
from natsgen.smoke import delivery, lifecycle, matrix, pubsub, run
from natsgen.smoke.steps import Result, Verdict
from tests.smoke_command.faults import FAULTS, Fault

SIDE_BY_SIDE = 8
PATIENCE = 10.0
"""Seconds that are waited for what a fault keeps from happening; a person's own run waits longer, to be sure."""
LIMITS = {
    delivery: ("HANDLED_SECONDS",),
    lifecycle: ("READY_SECONDS", "PASSING_SECONDS"),
    pubsub: ("PUBLISHED_SECONDS", "RECEIVED_SECONDS"),
}

pytestmark = [pytest.mark.slow, pytest.mark.consul, pytest.mark.docker]  # some steps need them


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Result]]:
    """What became of the steps of each fault's sample."""
    folder = tmp_path_factory.mktemp("faults")
    jobs = [job(name, fault, folder / "templates" / name) for name, fault in FAULTS.items()]
    with pytest.MonkeyPatch.context() as patch:
        for module, names in LIMITS.items():
            for name in names:
                patch.setattr(module, name, PATIENCE)
        found = run.run(jobs, lambda _: None, folder / "run", side_by_side=SIDE_BY_SIDE)
    return {name: [result for result in found if result.sample == name] for name in FAULTS}


def job(name: str, fault: Fault, folder: Path) -> run.Job:
    """A sample of a copy of the template with the fault."""
    original = template_source.bundled()
    folder.mkdir(parents=True)
    shutil.copy(original.folder / "copier.yml", folder)
    for part in ("includes", "template"):
        shutil.copytree(original.folder / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    fault.commit(folder)
    questionnaire = questions.read(folder)
    (plain,) = [one for one in matrix.samples(questionnaire) if one.name == fault.sample]
    # all of them share a Consul agent, in which two of one name would meet
    service = f"{fault.sample}-{list(FAULTS).index(name)}"
    answers = {**plain.answers, "service_name": service, **plain.shape.answers(service, longest=False)}
    sample = replace(plain, answers=answers)
    return run.Job(name, sample, TemplateSource(folder, "fault", "v0.0.1"), questionnaire, (fault.step, *fault.after))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_by_the_step_that_should(name: str, results: dict[str, list[Result]]) -> None:
    fault = FAULTS[name]

    failed = {result.step: result.message for result in results[name] if result.verdict is Verdict.FAILED}

    assert failed.keys() == {fault.step}, failed
    assert fault.says in failed[fault.step]


def test_the_parts_are_there_that_steps_need() -> None:
    assert docker_available(), "without Docker, faults in compose files are not seen"
    assert find_program("hadolint")
