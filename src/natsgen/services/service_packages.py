"""How the packages of a service come and go: with the parts that need them, or as extras that a person asks for."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen.errors import ConflictError
from natsgen.files import line_ends, reading, tree
from natsgen.files.tree import File, Tree
from natsgen.parts import package_imports, packages
from natsgen.parts.kinds import is_owners
from natsgen.rendering import render
from natsgen.rendering.template_source import TemplateSource
from natsgen.workspace import SERVICES, Workspace


@dataclass(frozen=True)
class Leaving:
    """The packages that go, and those that stay although nobody needs them.

    Attributes:
        files: those that go, as they are, by their path in the workspace.
        names: the packages that go.
        staying: why a package stays, by its name.
    """

    files: Tree = field(default_factory=dict)
    names: tuple[str, ...] = ()
    staying: Mapping[str, str] = field(default_factory=dict)

    def notes(self) -> Iterator[str]:
        """Yield what a person should know of what stays."""
        for name, why in self.staying.items():
            yield f"nothing needs the package {name} any more, and it stays: {why}"


class ServicePackages:
    """The packages of one service, compared with what its version of the template makes.

    Args:
        workspace: where the service is.
        template: of the service's version.
        service: its name.
        answers: what it was made with, by question.
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
        """Return whether the service's version of the template knows packages at all."""
        return render.knows_packages(self._template)

    @cached_property
    def found(self) -> frozenset[str]:
        """Return the packages that are there."""
        return packages.found(self.folder)

    @cached_property
    def missing(self) -> Mapping[str, str]:
        """Return why the service needs packages that are not there, as in "its actions need it", by their names."""
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

        It will have those that it has and those that it needs, without those that only an answer needed that changes,
        as long as nobody imports them. A service of a template that knew no packages had everything: it will have what
        it needs or imports.

        Args:
            changed_answers: what is to be answered otherwise.
        """
        needed = packages.needed(self.folder, {**self._answers, **changed_answers})
        asked = packages.closure(packages.of_answers(self._answers)) if self.are_known else frozenset(packages.BY_NAME)
        spare = (asked & self.found) - needed
        if spare:
            spare -= packages.closure(self._importers(spare, self._made(frozenset()), ()))
        return packages.closure((self.found - spare) | needed)

    def packages_of(self, path: PurePosixPath) -> frozenset[str]:
        """Return the packages of a path in the workspace; none of the core's, or of a part, which is a person's."""
        if not path.is_relative_to(self._place) or is_owners(path.relative_to(self._place)):
            return frozenset()
        return frozenset(packages.of_path(path.relative_to(self._place)))

    def not_made(self, made: Tree) -> Iterator[PurePosixPath]:
        """Yield the files in packages that are there, and that the template does not make, by their workspace path."""
        for path in package_imports.files_in(self.folder):
            if self._place / path not in made and self.packages_of(self._place / path):
                yield self._place / path

    def coming(self, wanted: Collection[str]) -> Tree:
        """Return the files that the service lacks to have packages, and those that they need.

        Raises:
            ConflictError: one of them is there and is not as the template makes it.
            TemplateError: the template cannot be rendered with the answers.
        """
        missing = packages.closure(wanted) - self.found
        if not missing or not self.are_known:
            return {}
        files = {path: file for path, file in self._made(missing).items() if missing & self.packages_of(path)}
        there = tree.read_files(self._workspace, files)
        for path, file in there.items():
            if file.content != files[path].content:
                raise ConflictError(
                    f"{self._workspace.root / path} exists already and is not as {self._template.commit} of the "
                    f"template makes it: natsgen repair {self.service} brings it there unless somebody edited it"
                )
        return {path: file for path, file in files.items() if path not in there}

    def leaving(
        self,
        unwanted: Collection[str],
        answers: Mapping[str, Any],
        without: Collection[PurePosixPath] = (),
        even_edited: Collection[str] = (),
    ) -> Leaving:
        """Return what goes of packages, and of those that they need, when something else has gone.

        A package goes that no remaining part, answer or extra needs, that no file of a person's imports, and that is
        as the template makes it.

        Args:
            unwanted: the packages that may go.
            answers: those that the service will have.
            without: the files below the service's folder that will be gone.
            even_edited: the packages that go although a person edited their files.
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
        return Leaving(tree.read_files(self._workspace, gone), tuple(sorted(going)), staying)

    def _reasons_to_stay(
        self, spare: frozenset[str], made: Tree, without: Collection[PurePosixPath], even_edited: frozenset[str]
    ) -> dict[str, str]:
        """Return why packages stay that nobody needs, by their names."""
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
            if path.suffix != ".py" or path in without or self._is_as_made(path, made):
                continue
            if not is_own and names.intersection(packages.of_path(path)):
                continue  # a package's own file, which is edited
            for imported in package_imports.imported_by(self.folder, path):
                of = packages.of_path(imported)
                is_on_the_way = imported.name == "__init__.py" and len(of) > 1
                for name in names.intersection(() if is_on_the_way else of):
                    found.setdefault(name, path)
        return found

    def _is_as_made(self, path: PurePosixPath, made: Tree) -> bool:
        """Return whether a file is the template's own and nobody edited it."""
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
        """Return what the template makes of the service with the packages that are there, and more."""
        wanted = self.found | more
        if wanted not in self._rendered:
            name = self._workspace.root.name
            self._rendered[wanted] = render.render(self._template, self._answers, name, with_packages=wanted)
        return self._rendered[wanted]


def listed(names: Collection[str]) -> str:
    """Return the packages for a sentence, such as "the package kv" or "the packages kv and toolkit"."""
    *others, last = sorted(names)
    return f"the packages {', '.join(others)} and {last}" if others else f"the package {last}"


def passing(service: str, files: Tree) -> frozenset[PurePosixPath]:
    """Return the folders in a service's that go together with their last file."""
    place = PurePosixPath(SERVICES, service)
    return frozenset(
        parent for path in files for parent in path.parents if parent.is_relative_to(place) and parent != place
    )
