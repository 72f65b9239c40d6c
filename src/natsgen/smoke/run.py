"""The samples of a run, side by side; whatever happens, what it started is ended and removed."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from natsgen.answers.questions import Questionnaire
from natsgen.harness.reaper import temporary_folder
from natsgen.rendering.template_source import TemplateSource
from natsgen.smoke import alive
from natsgen.smoke.as_containers import AsContainers
from natsgen.smoke.as_process import AsProcess
from natsgen.smoke.earlier import EarlierVersions
from natsgen.smoke.gates import COMPOSE_CONFIG, GENERATE, Gates
from natsgen.smoke.growing import Growing
from natsgen.smoke.images import Images
from natsgen.smoke.live import Running
from natsgen.smoke.matrix import Sample
from natsgen.smoke.shared import SharedServers
from natsgen.smoke.steps import Interrupted, Listener, Result, Step, Stopping, leading_to
from natsgen.smoke.steps import run as run_steps
from natsgen.smoke.tools import DOCKER, PROCESS, Tools
from natsgen.smoke.updating import UPDATE, Updating
from natsgen.smoke.work import Work

PREFIX = "natsgen-smoke-"
TEMPORARY = "temporary"
POLL_SECONDS = 0.2
IMAGE, CLEAN_UP = "image", "clean-up"


@dataclass(frozen=True)
class Job:
    """One sample of one template.

    Attributes:
        name: under which its results are.
        sample: what is made.
        template: what makes it.
        questionnaire: the template's questions.
        only: names of the steps that are done, with those that they need; all without it.
    """

    name: str
    sample: Sample
    template: TemplateSource
    questionnaire: Questionnaire
    only: Collection[str] = ()


def default_side_by_side() -> int:
    """How many samples are worked on at once: one more than there are cores, because each of them waits at times."""
    return (os.cpu_count() or 1) + 1


def run(
    jobs: Sequence[Job],
    listener: Listener,
    folder: Path,
    tools: Tools,
    *,
    backend: str = PROCESS,
    side_by_side: int = 0,
) -> list[Result]:
    """Works on all samples in `folder`, and returns a result for each step of each.

    Raises:
        KeyboardInterrupt: the person gave up. Whatever was started is ended before this leaves.
    """
    stopping = Stopping()
    run_id = uuid.uuid4().hex[:8]
    images = Images()
    versions = EarlierVersions(folder / "shared" / "templates")
    with (
        SharedServers(folder / "shared", tools) as shared,
        ThreadPoolExecutor(side_by_side or default_side_by_side()) as pool,
    ):

        def work_on(job: Job) -> list[Result]:
            work = Work(job.sample, job.template, job.questionnaire, folder / job.name, run_id, tools, stopping)
            running, steps = _planned(work, shared, images, versions, backend)
            try:
                wanted = leading_to(steps, job.only) if job.only else steps
                return run_steps(job.name, wanted, listener, stopping)
            finally:
                running.end()  # whatever happened; done already where every step had its turn

        futures = [pool.submit(work_on, job) for job in jobs]
        try:
            while wait(futures, POLL_SECONDS).not_done:
                _raise_first(futures)
        except BaseException:
            for future in futures:
                future.cancel()
            stopping.request()
            raise
    return [result for future in futures for result in future.result()]


@contextmanager
def folder_of_its_own(*, keep: bool) -> Iterator[Path]:
    """Provide the folder of a run; it is removed at the end, or when this process dies, unless it is kept.

    Whatever else this process makes for the moment is in it as well, so that nothing of that can stay behind.
    """
    if keep:
        with _temporary_files_in(kept := Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()):
            yield kept
    else:
        with temporary_folder(PREFIX) as folder, _temporary_files_in(folder):
            yield folder


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    before = tempfile.tempdir
    tempfile.tempdir = str(folder / TEMPORARY)
    Path(tempfile.tempdir).mkdir()
    try:
        yield
    finally:
        tempfile.tempdir = before


def step_names(job: Job, tools: Tools, backend: str) -> list[str]:
    """Return the names of the steps that there are for a sample; nothing is begun."""
    nowhere = Path()
    work = Work(job.sample, job.template, job.questionnaire, nowhere, "", tools, Stopping())
    _, steps = _planned(work, SharedServers(nowhere, tools), Images(), EarlierVersions(nowhere), backend)
    return [step.name for step in steps]


def _planned(
    work: Work, shared: SharedServers, images: Images, versions: EarlierVersions, backend: str
) -> tuple[Running, list[Step]]:
    """Return where a sample runs, and all that is done with it."""
    running = AsContainers(work, images) if backend == DOCKER else AsProcess(work, shared)
    live = alive.live_of(work, running)
    steps = Gates(work).steps()
    if isinstance(running, AsContainers):
        steps.append(Step(IMAGE, running.build, (GENERATE, COMPOSE_CONFIG)))
        steps += alive.steps(live, IMAGE, in_container=True)
    else:
        steps += alive.steps(live)
    steps.append(Step(UPDATE, Updating(work, versions).update, (GENERATE,)))
    steps += Growing(work, lambda: AsProcess(work, shared, "grown")).steps()
    steps.append(Step(CLEAN_UP, running.end))
    return running, steps


def _raise_first(futures: Sequence[Future[list[Result]]]) -> None:
    """Raises what a thread ended with, if it is a bug; one that was told to stop has none."""
    for future in futures:
        error = future.exception() if future.done() else None
        if error is not None and not isinstance(error, Interrupted):
            raise error
