"""Plans the update of one service in memory: renders both versions and merges the difference."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from natsgen.answers import questions
from natsgen.files import git, line_ends, merging, tree
from natsgen.files.file_merge import Names
from natsgen.files.merging import Conflict
from natsgen.files.tree import Tree
from natsgen.files.workspace import Workspace
from natsgen.rendering import render
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import ownership
from natsgen.services.service_packages import ServicePackages
from natsgen.transaction.change import Change, change_between
from natsgen.update import migrations
from natsgen.update.migrations import State


@dataclass(frozen=True)
class Task:
    """The input of a plan.

    Attributes:
        service: the service's name.
        old: its current template.
        new: the template to update to.
        answers: its answers to the old template.
        changed_answers: changed answers, and answers to new questions.
    """

    service: str
    old: TemplateSource
    new: TemplateSource
    answers: Mapping[str, Any]
    changed_answers: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """The planned update.

    Attributes:
        task: the input.
        change: the change of the workspace's files, with conflict markers if there are conflicts.
        conflicts: the files that the owner must resolve.
        left_out: the files that the template changed and the owner had removed.
        renamed: the new paths by the old ones, of renamed files that keep the owner's changes.
        migrations: the names of the migrations that ran.
        kept: the workspace's own files that the new answers would render differently.
    """

    task: Task
    change: Change
    conflicts: tuple[Conflict, ...] = ()
    left_out: tuple[PurePosixPath, ...] = ()
    renamed: Mapping[PurePosixPath, PurePosixPath] = field(default_factory=dict)
    migrations: tuple[str, ...] = ()
    kept: tuple[PurePosixPath, ...] = ()


def plan(workspace: Workspace, task: Task) -> Plan:
    """Plan an update; change nothing.

    Raises:
        ServiceError: a file of the service cannot be merged.
        TemplateError: one of the templates cannot be rendered with the answers.
        GitError: git fails, or is not installed.
    """
    steps = migrations.between(task.old.commit, task.new.commit, task.new.url)
    packages = ServicePackages(workspace, task.old, task.service, task.answers)
    rendered = render.render(task.old, task.answers, workspace.root.name, packages.found, packages.facts)
    base = migrations.run(steps, State(task.service, task.answers, rendered))
    answers = {**base.answers, **task.changed_answers}
    after = packages.after(task.changed_answers)
    theirs = render.render(task.new, answers, workspace.root.name, after, packages.source_facts)
    found = _there(workspace, task.service, {*rendered, *base.files, *theirs}, whole=bool(steps))
    there = line_ends.as_rendered(found, rendered, base.files, theirs)
    ours = migrations.run(steps, State(task.service, task.answers, there)).files

    merged = merging.merge(
        _mergeable(task, base.files, {*theirs, *ours}),
        _mergeable(task, theirs, {*base.files, *ours}),
        _mergeable(task, ours, ours),
        Names("yours", task.old.commit, task.new.commit if task.new != task.old else "the new answers"),
    )
    own = ownership.answers_file(task.service)
    wanted = {**{path: ours.get(path) for path in {*there, *ours}}, **merged.after, own: theirs.get(own)}
    return Plan(
        task,
        change_between(found, line_ends.as_on_disk(wanted, found)),
        tuple(merged.conflicts),
        tuple(merged.left_out),
        merged.renamed,
        tuple(step.name for step in steps),
        tuple(path for path in theirs if _is_kept(task, path, rendered, theirs, ours)) if task.new == task.old else (),
    )


def templates_own(service: str, rendered: Tree, template: TemplateSource) -> Tree:
    """Return the rendered files that the template owns: without parts, answers and files that are written once."""
    is_written_once = questions.read(template.folder).is_written_once
    return {
        path: file for path, file in ownership.without_owners(service, rendered).items() if not is_written_once(path)
    }


def _there(workspace: Workspace, service: str, paths: set[PurePosixPath], *, whole: bool) -> Tree:
    """Return the current versions of the templates' files, or the whole service for a migration."""
    if whole:
        known = git.tracked(workspace.root, ownership.places_of(service))
        paths = paths | {path for path in known if not (workspace.root / path).is_symlink()}
    return tree.read_files(workspace, sorted(paths))


def _mergeable(task: Task, tree: Tree, elsewhere: Collection[PurePosixPath]) -> Tree:
    """Return the files of a tree to merge: without the owner's, the answers, and the workspace's own.

    A file that is written once belongs to the workspace if it exists, or if the older template had it, because the
    owner has then removed it: if it is `elsewhere`, in one of the other trees.
    """
    return {
        path: file
        for path, file in ownership.without_owners(task.service, tree).items()
        if path not in elsewhere or not _is_written_once(task, path)
    }


def _is_kept(task: Task, path: PurePosixPath, rendered: Tree, theirs: Tree, ours: Tree) -> bool:
    """Return whether an existing file of the workspace's own would now be rendered differently."""
    return path in ours and rendered.get(path) not in (None, theirs[path]) and _is_written_once(task, path)


def _is_written_once(task: Task, path: PurePosixPath) -> bool:
    return any(questions.read(one.folder).is_written_once(path) for one in (task.new, task.old))
