"""Running the samples in parallel; everything that a run starts is stopped and removed, even after an error."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from natsgen import messages
from natsgen.answers.questions import Questionnaire
from natsgen.errors import InputError, NatsgenError
from natsgen.harness.docker_engine import Availability, docker_available
from natsgen.harness.reaper import temporary_folder
from natsgen.parts.kind import Part
from natsgen.parts.kinds import KINDS
from natsgen.rendering.template_source import TemplateSource
from natsgen.smoke import checks
from natsgen.smoke.container import container
from natsgen.smoke.gates import COMPOSE_CONFIG, GENERATE, Gates
from natsgen.smoke.growing import Growing
from natsgen.smoke.matrix import Sample
from natsgen.smoke.running import Running, SharedServers
from natsgen.smoke.steps import Result, Step, Stopping, leading_to
from natsgen.smoke.steps import run as run_steps
from natsgen.smoke.updating import update
from natsgen.smoke.work import Work

PREFIX = "natsgen-smoke-"
POLL_SECONDS = 0.2
AUTO, PROCESS, DOCKER = "auto", "process", "docker"
BACKENDS = (AUTO, PROCESS, DOCKER)


@dataclass(frozen=True)
class Job:
    """One sample of one template.

    Attributes:
        name: identifies its results.
        sample: the service to generate.
        template: the template to render.
        questionnaire: the template's questions.
        only: names of the steps to run, with those that they need; all if empty.
    """

    name: str
    sample: Sample
    template: TemplateSource
    questionnaire: Questionnaire
    only: Collection[str] = ()


def backend_for(wanted: str, docker: Availability) -> str:
    """Return `process` or `docker`; for `auto`, `docker` if it is available.

    Raises:
        InputError: `wanted` is not a backend.
        NatsgenError: Docker is wanted but not available.
    """
    if wanted not in BACKENDS:
        raise InputError(f"--backend: {messages.invalid_choice(wanted, BACKENDS)}")
    if wanted == AUTO:
        return DOCKER if docker else PROCESS
    if wanted == DOCKER and not docker:
        raise NatsgenError(f"--backend docker: {docker.reason}; --backend process works without it")
    return wanted


def run(
    jobs: Sequence[Job], tell: Callable[[str], None], folder: Path, *, backend: str = PROCESS, side_by_side: int = 0
) -> list[Result]:
    """Run the steps of all samples in `folder`, `side_by_side` at once, and return a result for each step.

    `tell` receives lines about the progress, from any thread.

    Raises:
        KeyboardInterrupt: the user interrupted the run. Everything that was started has been stopped.
    """
    stopping, run_id, docker = Stopping(), uuid.uuid4().hex[:8], docker_available()
    most = side_by_side or (os.cpu_count() or 1) + 1  # each one waits part of the time
    with SharedServers(folder / "shared") as shared, ThreadPoolExecutor(most) as pool:

        def work_on(job: Job) -> list[Result]:
            work = Work(job.sample, job.template, job.questionnaire, folder / job.name, run_id, docker, stopping)
            running = Running(work, shared, _parts(job))
            steps = _steps(work, running, shared, backend)
            tell(f"{job.name}: started")
            try:
                wanted = leading_to(steps, job.only) if job.only else steps
                return run_steps(job.name, wanted, tell, stopping)
            finally:
                running.end()  # no effect after the step clean-up

        futures = [pool.submit(work_on, job) for job in jobs]
        try:
            while (state := wait(futures, POLL_SECONDS)).not_done:
                for future in state.done:
                    future.result()  # raises the thread's error: a bug
        except BaseException:
            for future in futures:
                future.cancel()
            stopping.request()
            raise
    return [result for future in futures for result in future.result()]


@contextmanager
def run_folder(*, keep: bool) -> Iterator[Path]:
    """Provide the folder of a run; it is removed at the end, or when this process dies, unless it is kept.

    This process's other temporary files are in it too, so that nothing stays behind.
    """
    before = tempfile.tempdir
    with ExitStack() as stack:
        kept = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve() if keep else None
        folder = kept or stack.enter_context(temporary_folder(PREFIX))
        tempfile.tempdir = str(folder / "temporary")
        Path(tempfile.tempdir).mkdir()
        try:
            yield folder
        finally:
            tempfile.tempdir = before


def step_names(jobs: Sequence[Job], backend: str) -> list[str]:
    """Return the names of the steps for these jobs; starts nothing."""
    nowhere = Path()
    names: dict[str, None] = {}
    for job in jobs:
        work = Work(job.sample, job.template, job.questionnaire, nowhere, "", Availability(""), Stopping())
        shared = SharedServers(nowhere)
        names |= dict.fromkeys(step.name for step in _steps(work, Running(work, shared, _parts(job)), shared, backend))
    return list(names)


def _parts(job: Job) -> list[Part]:
    """Return the parts of a sample as generated."""
    return [
        kind.part.from_answer(name, answer)
        for question, kind in KINDS.items()
        for name, answer in job.sample.answers.get(question, {}).items()
    ]


def _steps(work: Work, running: Running, shared: SharedServers, backend: str) -> list[Step]:
    """Return the steps of a sample."""
    contained = [Step("container", partial(container, work), (GENERATE, COMPOSE_CONFIG))]
    return [
        *Gates(work).steps(),
        *checks.steps(running),
        *(contained if backend == DOCKER else ()),
        Step("update", partial(update, work), (GENERATE,)),
        *Growing(work, lambda parts: Running(work, shared, parts, "grown")).steps(),
        Step("clean-up", running.end),
    ]
