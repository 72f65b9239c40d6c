"""The packages that a service has, needs and will have, so that all sides of a comparison and of a merge agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen.files.tree import Tree
from natsgen.parts import package_imports, packages
from natsgen.parts.kinds import is_persons_own
from natsgen.rendering import render
from natsgen.rendering.template_source import TemplateSource
from natsgen.services.service_packages import ServicePackages
from natsgen.workspace import SERVICES, Workspace


@dataclass(frozen=True)
class PackagesHeld:
    """The packages of one service.

    Attributes:
        workspace: where the service is.
        service: its name.
        found: the packages that are there.
        missing: those that are not there and that it needs: by name, what needs them, as in "its actions need it".
    """

    workspace: Workspace
    service: str
    found: frozenset[str]
    missing: Mapping[str, str]

    @property
    def wanted(self) -> frozenset[str]:
        """The packages that it should have."""
        return packages.closure({*self.found, *self.missing})

    def packages_of(self, path: PurePosixPath) -> tuple[str, ...]:
        """Return the packages of a path in the workspace; none if it is the core's, or a person's."""
        place = PurePosixPath(SERVICES, self.service)
        if not path.is_relative_to(place) or is_persons_own(path.relative_to(place)):
            return ()
        return packages.of_path(path.relative_to(place))

    def made_by(self, made: Tree) -> PackagesHeld:
        """Return the same without the missing packages that the template does not make."""
        place = PurePosixPath(SERVICES, self.service)
        markers = {name: place / packages.BY_NAME[name].marker for name in self.missing}
        return replace(self, missing={name: why for name, why in self.missing.items() if markers[name] in made})

    def not_made(self, made: Tree) -> Iterator[PurePosixPath]:
        """Yield the files in packages that are there, and that the template does not make, by their workspace path."""
        place = PurePosixPath(SERVICES, self.service)
        for path in package_imports.files_in(self.workspace.root / place):
            if place / path not in made and self.packages_of(place / path):
                yield place / path


def of(workspace: Workspace, service: str, template: TemplateSource, answers: Mapping[str, Any]) -> PackagesHeld:
    """Return the packages of a service.

    Args:
        workspace: where it is.
        service: its name.
        template: of its version. Where that knows no packages, none is missing.
        answers: what it was made with, checked or not.
    """
    folder = workspace.root / SERVICES / service
    found = packages.found(folder)
    missing = _missing(folder, found, answers) if render.knows_packages(template) else {}
    return PackagesHeld(workspace, service, found, missing)


def _missing(folder: Path, found: frozenset[str], answers: Mapping[str, Any]) -> dict[str, str]:
    reasons: dict[str, str] = {}
    for kind in packages.kinds_in(folder):
        for name in packages.closure(packages.needs_of(folder, kind)):
            reasons.setdefault(name, f"its {kind.question} need it")
    for name in packages.closure(packages.of_answers(answers)):
        reasons.setdefault(name, "its answers ask for it")
    for name in packages.closure(found):
        reasons.setdefault(name, "its other packages need it")
    return {name: why for name, why in sorted(reasons.items()) if name not in found}


@dataclass(frozen=True)
class PackageChange:
    """The packages of a service.

    Attributes:
        before: those that its older template is rendered with.
        after: those that its newer template is rendered with.
    """

    before: frozenset[str]
    after: frozenset[str]


def around_update(
    workspace: Workspace,
    service: str,
    old: TemplateSource,
    answers: Mapping[str, Any],
    changed_answers: Mapping[str, Any],
) -> PackageChange:
    """Return the packages that a service has, and those that it will have.

    It will have those that it has and those that it needs, without those that only an answer needed that changes, as
    long as nobody imports them. A service of a template that knew no packages had everything: it will have what it
    needs or imports.

    Args:
        workspace: where it is.
        service: its name.
        old: the template that it was made from.
        answers: those it has.
        changed_answers: what is to be answered otherwise.
    """
    folder = workspace.root / SERVICES / service
    found = packages.found(folder)
    needed = packages.needed(folder, {**answers, **changed_answers})
    knew = render.knows_packages(old)
    dropped = packages.closure(packages.of_answers(answers)) if knew else frozenset(packages.BY_NAME)
    spare = (dropped & found) - needed
    if spare:
        spare -= packages.closure(ServicePackages(workspace, old, service, answers).importers(spare))
    return PackageChange(found, packages.closure((found - spare) | needed))
