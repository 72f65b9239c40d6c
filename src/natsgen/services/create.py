"""Creates a service in a workspace from answers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePosixPath

from natsgen import messages
from natsgen.answers.answers import Answers
from natsgen.answers.questions import Questionnaire
from natsgen.errors import ConflictError
from natsgen.files.workspace import COMPOSE, SERVICES, Workspace
from natsgen.rendering import render
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import ownership
from natsgen.services.writer import Writer
from natsgen.transaction.change import Change


@dataclass(frozen=True)
class Outcome:
    """The result of creating a service.

    Attributes:
        change: the added files.
        kept: the template's files that already existed and belong to the workspace.
    """

    change: Change
    kept: tuple[PurePosixPath, ...]


def new_service(writer: Writer, template: TemplateSource, questionnaire: Questionnaire, answers: Answers) -> Outcome:
    """Create a service in the workspace, atomically.

    Args:
        writer: changes the workspace.
        template: the template to render.
        questionnaire: the template's questions.
        answers: the checked answers to them.

    Raises:
        ConflictError: the service or one of its files exists.
        NatsgenError: the command failed; the workspace is as before.
    """
    workspace = writer.workspace
    with writer.session():
        _refuse_existing(workspace, answers.service_name)
        rendered = render.render(template, answers.as_data())
        ownership.need_answers_file(answers.service_name, rendered, template.url)
        kept = {
            path for path in rendered if questionnaire.is_written_once(path) and os.path.lexists(workspace.path(path))
        }
        change = Change(after={path: file for path, file in rendered.items() if path not in kept})
        writer.write(change, f"new {answers.kind} {answers.service_name}")
    return Outcome(change, tuple(sorted(kept)))


def _refuse_existing(workspace: Workspace, name: str) -> None:
    for path in (PurePosixPath(SERVICES, name), PurePosixPath(COMPOSE, f"{name}.yml")):
        if os.path.lexists(workspace.path(path)):
            raise ConflictError(
                f"{messages.quote(name)} exists already in {workspace.root} ({path}): choose another name, or remove "
                "it first"
            )
