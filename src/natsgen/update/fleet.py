"""Updates services: plans all of them in memory and in parallel, and then applies each one atomically.

A service that conflicts or fails is not changed, and the others are still updated. After `kill -9` at any moment, the
next natsgen command finishes or undoes the service that was being written; every other one is unchanged or updated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from natsgen.answers import answers_file, questions, workspace_defaults
from natsgen.answers.answers_file import AnswersFile
from natsgen.errors import ConflictError, InputError, NatsgenError, ServiceError, UntrustedTemplateError
from natsgen.files import git
from natsgen.files.workspace import Workspace
from natsgen.rendering import versions
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import listing, ownership
from natsgen.services.writer import Writer
from natsgen.transaction import transaction
from natsgen.update import parallel, planning, unfinished
from natsgen.update.planning import Plan, Task
from natsgen.update.releases import Releases
from natsgen.update.sources import Sources

UPDATED, CURRENT, CONFLICTING, FAILED = "updated", "current", "conflicting", "failed"


@dataclass(frozen=True)
class Result:
    """The result for one service.

    Attributes:
        service: the service's name.
        status: `UPDATED`, `CURRENT`, `CONFLICTING` or `FAILED`.
        before: the old version; "" if unknown.
        after: the wanted version; "" if unknown.
        plan: the plan; None if there is nothing to do, or planning failed.
        error: why it failed.
        uncommitted: the uncommitted files that made it fail.
    """

    service: str
    status: str
    before: str = ""
    after: str = ""
    plan: Plan | None = None
    error: str = ""
    uncommitted: tuple[PurePosixPath, ...] = ()


@dataclass(frozen=True)
class Options:
    """The options of an update.

    Attributes:
        to: the wanted version, such as 1.2.3; None for the newest.
        inline: write conflict markers where both sides changed the same lines.
        answers: the changed answers; with them, the version does not change unless `to` is given.
    """

    to: str | None = None
    inline: bool = False
    answers: Mapping[str, Any] = field(default_factory=dict)


def update(
    writer: Writer, services: Sequence[str], options: Options, progress: Callable[[int, int], None]
) -> tuple[Result, ...]:
    """Update services.

    Args:
        writer: changes the workspace.
        services: the services' names.
        options: the options of the update.
        progress: called with the number of finished services and the total.

    Returns:
        The results, in the order of `services`.

    Raises:
        InputError: a service, or the version of its template, does not exist.
        GitError: git is not installed, or the workspace is not in a repository.
        NatsgenError: the whole update failed.
    """
    workspace = writer.workspace
    for name in services:
        listing.require_service(workspace, name)  # before the session, which would create a missing workspace
    with writer.session(), Sources(workspace) as sources:
        prepared = [_prepared(workspace, name, options, sources) for name in services]
        results = {one.service: one for one in prepared if isinstance(one, Result)}
        tasks = [one for one in prepared if isinstance(one, Task)]
        results.update((result.service, result) for result in _refuse_uncommitted(workspace, tasks))
        tasks = [task for task in tasks if task.service not in results]
        for result in _carry_out(writer, tasks, options):
            results[result.service] = result
            progress(len(results), len(services))
    return tuple(results[name] for name in services)


def _prepared(workspace: Workspace, name: str, options: Options, sources: Sources) -> Result | Task:
    """Return the task for a service, or its result if there is nothing left to do."""
    try:
        return _prepare(workspace, name, options, sources)
    except (InputError, UntrustedTemplateError):
        raise
    except NatsgenError as error:
        return Result(name, FAILED, error=str(error))


def _prepare(workspace: Workspace, name: str, options: Options, sources: Sources) -> Result | Task:
    memory = answers_file.read(listing.require_service(workspace, name))
    answers_file.require_matching_name(memory)
    known = sources.of(memory)
    wanted = _wanted(known, memory, options)
    if found := unfinished.of(workspace, name):
        files = ", ".join(str(conflict.path) for conflict in found.conflicts)
        raise ServiceError(
            f"its update to {found.after} is unfinished ({files}): resolve the conflicts and run natsgen update "
            f"--continue {name}, or undo it with natsgen update --abort {name}"
        )
    if wanted == memory.commit and not options.answers:
        return Result(name, CURRENT, memory.commit, wanted)
    old = known.template(memory.commit)
    if versions.is_newer(memory.commit, wanted):
        raise ServiceError(
            f"already at {memory.commit}; downgrading to {wanted} is not supported: revert the commit of the update"
        )
    new = known.template(wanted)
    answers = {**_answers_to_new_questions(workspace, memory, new), **options.answers}
    return Task(name, old, new, memory.values, answers)


def _wanted(known: Releases, memory: AnswersFile, options: Options) -> str:
    if options.to is not None:
        return versions.find(options.to, known.versions, "--to")
    return memory.commit if options.answers else known.newest


def _answers_to_new_questions(workspace: Workspace, memory: AnswersFile, new: TemplateSource) -> dict[str, Any]:
    """Return the workspace's default answers to the questions that are new to the service."""
    given = workspace_defaults.read(workspace.root, questions.read(new.folder), strict=False).without("framework")
    return {key: value for key, value in given.values.items() if key not in memory.values}


def _refuse_uncommitted(workspace: Workspace, tasks: Sequence[Task]) -> Iterator[Result]:
    """Yield a failure for each service that git could not restore."""
    places = [place for task in tasks for place in ownership.places_of(task.service)]
    found = git.uncommitted(workspace.root, places)
    known = git.tracked(workspace.root, [ownership.answers_file(task.service) for task in tasks])
    for task in tasks:
        mine = tuple(path for path in found if ownership.belongs_to(task.service, path))
        if mine:
            yield _failed(task, _uncommitted(mine), mine)
        elif ownership.answers_file(task.service) not in known:
            yield _failed(task, "the service is git-ignored; un-ignore and commit it before updating")


def _failed(task: Task, error: str, uncommitted: tuple[PurePosixPath, ...] = ()) -> Result:
    return Result(task.service, FAILED, task.old.commit, task.new.commit, None, error, uncommitted)


def _uncommitted(files: Sequence[PurePosixPath]) -> str:
    return f"it has uncommitted changes: commit or stash {', '.join(map(str, files))}"


def _carry_out(writer: Writer, tasks: Sequence[Task], options: Options) -> Iterator[Result]:
    for task, planned in parallel.each(partial(planning.plan, writer.workspace), tasks):
        if isinstance(planned, parallel.Failed):
            yield _failed(task, planned.reason)
            continue
        try:
            yield _apply(writer, planned, options)
        except NatsgenError as error:
            yield _failed(task, str(error))


def _apply(writer: Writer, plan: Plan, options: Options) -> Result:
    workspace = writer.workspace
    try:
        transaction.check(workspace, plan.change)
    except ConflictError:
        # the update of another service changed a shared file
        plan = planning.plan(workspace, plan.task)
        transaction.check(workspace, plan.change)
    task = plan.task
    # a template may contain files outside the service's folder
    elsewhere = [path for path in plan.change.before if not ownership.belongs_to(task.service, path)]
    if found := git.uncommitted(workspace.root, elsewhere):
        raise ServiceError(_uncommitted(found))
    if not plan.change.before and not plan.change.after:
        return Result(task.service, CURRENT, task.old.commit, task.new.commit)
    status = CONFLICTING if plan.conflicts else UPDATED
    if not writer.dry_run and (options.inline or not plan.conflicts):
        if plan.conflicts:
            unfinished.remember(workspace, plan)
        transaction.apply(workspace, plan.change, f"update {task.service} to {task.new.commit}")
    return Result(task.service, status, task.old.commit, task.new.commit, plan)
