"""The actions as a whole: all are found, and none gets in another's way."""

from __future__ import annotations

from pathlib import Path

from src.config import settings
from src.domain import actions
from src.domain.actions import register
from src.infrastructure.worker import Worker
from src.actions.action import registered


def test_every_action_file_is_found_and_none_answers_on_the_subject_of_another() -> None:
    worker = Worker(settings)

    register(worker)

    files = {path.stem for path in Path(actions.__path__[0]).glob("*_action.py")}
    found = {action.function.__module__.rpartition(".")[2] for action in registered()}
    assert found == files
    assert [component.kind for component in worker.components] == ["actions"]
