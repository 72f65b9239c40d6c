"""The actions as a whole: all are found, and none gets in another's way."""

from __future__ import annotations

from pathlib import Path

from src.config import settings
from src.domain import actions
from src.domain.actions import register_actions
from src.infrastructure.worker import Worker


def test_every_action_file_is_found_and_none_answers_on_the_subject_of_another() -> None:
    worker = Worker(settings)

    register_actions(worker)

    files = {path.stem for path in Path(actions.__path__[0]).glob("*_action.py")}
    found = {runner.action.function.__module__.rpartition(".")[2] for runner in worker.actions.runners}
    assert found == files
