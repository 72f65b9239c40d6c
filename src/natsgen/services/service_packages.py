"""Finds the packages to add to a service or to remove from it, with its parts or as extras."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen.answers import questions
from natsgen.errors import ConflictError
from natsgen.files import line_ends, merging, reading, tree
from natsgen.files.file_merge import Names
from natsgen.files.tree import File, Tree
from natsgen.files.workspace import SERVICES, Workspace
from natsgen.parts import facts, package_imports, packages
from natsgen.parts.facts import Facts
from natsgen.parts.kinds import is_owners
from natsgen.rendering import render
from natsgen.rendering.template_source import TemplateSource
from natsgen.transaction.change import Change, change_between


@dataclass(frozen=True)
class Leaving:
    """The packages to remove, and the unneeded ones that stay.

    Attributes:
        files: the files to remove, by their path in the workspace.
        names: the packages to remove.
        staying: why each unneeded package stays, by name.
    """

    files: Tree = field(default_factory=dict)
    names: tuple[str, ...] = ()
    staying: Mapping[str, str] = field(default_factory=dict)

    def notes(self) -> Iterator[str]:
        """Yield a note for each unneeded package that stays."""
        for name, why in self.staying.items():
            yield f"nothing needs the package {name}, but it was not removed: {why}"


class ServicePackages:
    """The packages of one service, compared with its version of the template.

    Args:
        workspace: the workspace.
        template: the template of the service's version.
        service: the service's name.
        answers: its answers, by question.
    """

    def __init__(
        self, workspace: Workspace, template: TemplateSource, service: str, answers: Mapping[str, Any]
    ) -> None:
        self._workspace = workspace
        self._template = template
        self._place = PurePosixPath(SERVICES, service)
        self.service = service
        self._answers = answers
        self._rendered: dict[frozenset[str], Tree] = {}

    @property
    def folder(self) -> Path:
        """Return the service's folder."""
        return self._workspace.root / self._place

    @cached_property
    def are_known(self) -> bool:
        """Return whether the service's version of the template has packages."""
        return render.knows_packages(self._template)

    @cached_property
    def found(self) -> frozenset[str]:
        """Return the packages that the service has."""
        return packages.found(self.folder)

    @cached_property
    def facts(self) -> Facts:
        """Return the facts that the deployment files were rendered from; those of the source if they are not known."""
        return facts.recorded(self.folder) or self.source_facts

    @cached_property
    def source_facts(self) -> Facts:
        """Return the facts of the source."""
        return facts.of_source(self.folder)

    @property
    def deploys(self) -> frozenset[str]:
        """Return the deployment files that the service has, by the names of their packages."""
        return self.found.intersection(packages.DEPLOY_NAMES)

    @property
    def why_deploys_are_unknown(self) -> str:
        """Return why nothing can say from which facts the deployment files were rendered; "" if it can."""
        record = self.folder / facts.RECORD
        if not self.deploys or not record.is_file() or facts.recorded(self.folder) is not None:
            return ""
        return (
            f"{self._place / facts.RECORD} is not valid, for example after a merge with conflicts: take one side of "
            f"{self._place}/deploy/, such as by git checkout --ours, then run natsgen repair {self.service}"
        )

    @property
    def are_deploys_outdated(self) -> bool:
        """Return whether the source has changed since the deployment files were rendered."""
        return bool(self.deploys) and self.facts != self.source_facts

    @cached_property
    def missing(self) -> Mapping[str, str]:
        """Return why the service needs each missing package, such as "its actions need it", by name."""
        reasons: dict[str, str] = {}
        for kind in packages.kinds_in(self.folder) if self.are_known else ():
            for name in packages.closure(packages.needs_of(self.folder, kind)):
                reasons.setdefault(name, f"its {kind.question} need it")
        for names, why in (
            (packages.of_answers(self._answers), "its answers ask for it"),
            (self.found, "its other packages need it"),
        ):
            for name in packages.closure(names) if self.are_known else ():
                reasons.setdefault(name, why)
        return {name: why for name, why in sorted(reasons.items()) if name not in self.found}

    @property
    def wanted(self) -> frozenset[str]:
        """Return the packages that the service should have."""
        return packages.closure({*self.found, *self.missing})

    def after(self, changed_answers: Mapping[str, Any]) -> frozenset[str]:
        """Return the packages that the service will have after an update.

        These are its current packages and those that it needs, without the ones that only a changed answer needed and
        that no file imports. A service from a template without packages had everything; it keeps what it needs or
        imports.

        Args:
            changed_answers: the changed answers.
        """
        needed = packages.needed(self.folder, {**self._answers, **changed_answers})
        asked = packages.closure(packages.of_answers(self._answers)) if self.are_known else frozenset(packages.BY_NAME)
        spare = (asked & self.found) - needed
        if spare:
            spare -= packages.closure(self._importers(spare, self._made(frozenset()), ()))
        return packages.closure((self.found - spare) | needed)

    def packages_of(self, path: PurePosixPath) -> frozenset[str]:
        """Return the packages of a path in the workspace; none for the core and for the owner's parts."""
        if not path.is_relative_to(self._place) or is_owners(path.relative_to(self._place)):
            return frozenset()
        return frozenset(packages.of_path(path.relative_to(self._place)))

    def not_made(self, made: Tree) -> Iterator[PurePosixPath]:
        """Yield the existing files in packages that the template does not render, by their path in the workspace."""
        for path in package_imports.files_in(self.folder):
            if self._place / path not in made and self.packages_of(self._place / path):
                yield self._place / path

    def coming(self, wanted: Collection[str]) -> Tree:
        """Return the missing files of packages, and of the packages that those need.

        Raises:
            ConflictError: a file exists and differs from the template.
            TemplateError: the template cannot be rendered with the answers.
        """
        missing = packages.closure(wanted) - self.found
        if not missing or not self.are_known:
            return {}
        files = {
            path: file
            for path, file in self._made(missing).items()
            if missing & {*self.packages_of(path), *packages.sharing(path)}
        }
        there = tree.read_files(self._workspace, files)
        written_once = questions.read(self._template.folder).is_written_once
        for path, file in there.items():
            if file.content != files[path].content and not written_once(path):
                raise ConflictError(
                    f"{self._workspace.root / path} exists already and differs from {self._template.commit} of the "
                    f"template; if you did not edit it, run natsgen repair {self.service}"
                )
        return {path: file for path, file in files.items() if path not in there}

    def redeployed(self, wanted: Facts, repaired: Tree | None = None) -> Change:
        """Return the change of the deployment files to those for other facts, with the owner's edits.

        Args:
            wanted: the facts of the service's source, as it will be.
            repaired: files of the service as they will be, instead of those in the workspace.

        Raises:
            ConflictError: the owner edited a part of a file that would change, or the record of the facts is invalid.
            TemplateError: the template cannot be rendered with the answers.
        """
        if why := self.why_deploys_are_unknown:
            raise ConflictError(f"nothing was changed: {why}")
        if not self.deploys or self.facts == wanted:
            return Change()
        base, theirs = self._of_deploys(self.facts), self._of_deploys(wanted)
        found = tree.read_files(self._workspace, {*base, *theirs})
        ours = line_ends.as_rendered(found, base, theirs)
        ours = {**ours, **{path: file for path, file in (repaired or {}).items() if path in base}}
        merged = merging.merge(base, theirs, ours, Names("yours", "before", "new"))
        if merged.conflicts:
            path = merged.conflicts[0].path
            raise ConflictError(
                f"{path}: you edited lines that must change with the source, so nothing was changed: undo your edits "
                f"(natsgen diff {self.service} shows them), and repeat them afterwards, if possible in an overlay"
            )
        return change_between(found, line_ends.as_on_disk({**ours, **merged.after}, found))

    def _of_deploys(self, known: Facts) -> Tree:
        """Render the deployment files of the template for some facts."""
        made = render.render(self._template, self._answers, self._workspace.root.name, self.found, known)
        written_once = questions.read(self._template.folder).is_written_once
        return {
            path: file
            for path, file in made.items()
            if self.packages_of(path) & self.deploys and not written_once(path)
        }

    def leaving(
        self,
        unwanted: Collection[str],
        answers: Mapping[str, Any],
        without: Collection[PurePosixPath] = (),
        even_edited: Collection[str] = (),
    ) -> Leaving:
        """Return what to remove of packages, and of the packages that those need.

        A package is removed if no remaining part, answer or extra needs it, no file of the owner imports it, and it is
        unmodified.

        Args:
            unwanted: the packages that may be removed.
            answers: the answers that the service will have.
            without: the files below the service's folder that are about to be removed.
            even_edited: the packages to remove even if their files were edited.
        """
        needed = packages.needed(self.folder, answers, without)
        spare = (packages.closure(unwanted) & self.found) - needed
        if not spare or not self.are_known:
            return Leaving()
        made = self._made(frozenset())
        staying = self._reasons_to_stay(spare, made, without, frozenset(even_edited))
        kept = packages.closure(staying) | (self.found - spare) | needed
        going = spare - kept
        gone = [
            path
            for path in made
            if (names := self.packages_of(path))
            and not names & kept
            and names & going
            and path.relative_to(self._place) not in without
        ]
        gone += [path for path, file in made.items() if self._is_shared_by_none(path, file, going)]
        return Leaving(tree.read_files(self._workspace, gone), tuple(sorted(going)), staying)

    def _is_shared_by_none(self, path: PurePosixPath, made: File, going: frozenset[str]) -> bool:
        """Return whether a file that only services with the leaving packages share was not edited and has no other."""
        names = going.intersection(packages.sharing(path))
        target = self._workspace.root / path
        if not names or not target.is_file() or not self._is_same(target, made):
            return False
        others = (folder for folder in self.folder.parent.iterdir() if folder != self.folder)
        return not any(names & packages.found(other) for other in others)

    def _reasons_to_stay(
        self, spare: frozenset[str], made: Tree, without: Collection[PurePosixPath], even_edited: frozenset[str]
    ) -> dict[str, str]:
        """Return why unneeded packages stay, by name."""
        imported = self._importers(spare, made, without)
        reasons = {name: f"{path} imports it" for name, path in imported.items()}
        as_made = spare - even_edited
        for path, file in made.items():
            for name in self.packages_of(path) & as_made:
                if self._is_edited(path, file):
                    reasons.setdefault(name, f"{path.relative_to(self._place)} was edited")
        for path in package_imports.files_in(self.folder):
            if (self._place / path in made and not is_owners(path)) or path in without:
                continue
            for name in as_made.intersection(packages.of_path(path)):
                reasons.setdefault(name, f"{path} is not the template's")
        return dict(sorted(reasons.items()))

    def _importers(
        self, names: frozenset[str], made: Tree, without: Collection[PurePosixPath]
    ) -> dict[str, PurePosixPath]:
        found: dict[str, PurePosixPath] = {}
        for path in package_imports.files_in(self.folder):
            is_own = is_owners(path) or self._place / path not in made
            if path.suffix != ".py" or path in without or self._is_unmodified(path, made):
                continue
            if not is_own and names.intersection(packages.of_path(path)):
                continue  # an edited file of the package itself
            for imported in package_imports.imported_by(self.folder, path):
                of = packages.of_path(imported)
                is_on_the_way = imported.name == "__init__.py" and len(of) > 1
                for name in names.intersection(() if is_on_the_way else of):
                    found.setdefault(name, path)
        return found

    def _is_unmodified(self, path: PurePosixPath, made: Tree) -> bool:
        """Return whether a file belongs to the template and was not edited."""
        file = made.get(self._place / path)
        return file is not None and not is_owners(path) and self._is_same(self.folder / path, file)

    def _is_edited(self, path: PurePosixPath, made: File) -> bool:
        if is_owners(path.relative_to(self._place)) or not os.path.lexists(self._workspace.root / path):
            return False
        target = self._workspace.root / path
        return target.is_symlink() or not target.is_file() or not self._is_same(target, made)

    def _is_same(self, target: Path, made: File) -> bool:
        return line_ends.is_same_text(reading.read_bytes(target), made.content)

    def _made(self, more: frozenset[str]) -> Tree:
        """Render the service with its packages and more."""
        wanted = self.found | more
        if wanted not in self._rendered:
            name = self._workspace.root.name
            self._rendered[wanted] = render.render(self._template, self._answers, name, wanted, self.facts)
        return self._rendered[wanted]


def listed(names: Collection[str]) -> str:
    """Return the packages for a sentence, such as "the package kv" or "the packages kv and toolkit"."""
    *others, last = sorted(names)
    return f"the packages {', '.join(others)} and {last}" if others else f"the package {last}"


def removable_folders(service: str, files: Tree) -> frozenset[PurePosixPath]:
    """Return the folders in a service to remove together with their last file."""
    place = PurePosixPath(SERVICES, service)
    return frozenset(
        parent for path in files for parent in path.parents if parent.is_relative_to(place) and parent != place
    )
