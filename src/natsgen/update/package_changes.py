"""Which packages a service has before an update and after it, so that all three sides of a merge agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from natsgen.parts import packages
from natsgen.rendering import render
from natsgen.rendering.template_source import TemplateSource
from natsgen.services.service_packages import ServicePackages
from natsgen.workspace import SERVICES, Workspace


@dataclass(frozen=True)
class Held:
    """The packages of a service.

    Attributes:
        before: those that its older template is rendered with.
        after: those that its newer template is rendered with.
    """

    before: frozenset[str]
    after: frozenset[str]


def of(
    workspace: Workspace,
    service: str,
    old: TemplateSource,
    answers: Mapping[str, Any],
    changed_answers: Mapping[str, Any],
) -> Held:
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
    return Held(found, packages.closure((found - spare) | needed))
