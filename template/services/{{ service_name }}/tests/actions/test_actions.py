"""Tests that the worker finds all actions."""

from __future__ import annotations

from pathlib import Path

from src.actions.action import registered
from src.config import settings
from src.domain import actions
from src.infrastructure.worker import Worker


def test_every_action_file_is_found_and_none_answers_on_the_subject_of_another() -> None:
    worker = Worker(settings)

    worker.register()

    files = {path.stem for path in Path(actions.__path__[0]).glob("*_action.py")}
    assert {one.function.__module__.rpartition(".")[2] for one in registered()} == files
    assert "actions" in {component.kind for component in worker.components}
