"""Tests that every task is found, and that no two share a durable."""

from __future__ import annotations

from src.config import settings
from src.infrastructure.worker import DOMAIN, Worker


def test_every_task_file_is_found_and_none_has_the_durable_of_another() -> None:
    worker = Worker(settings)

    worker.register()

    files = {f"src.domain.tasks.{path.stem}" for path in (DOMAIN / "tasks").glob("*_task.py")}
    modules = {runner.subscription.function.__module__ for runner in worker.runners}
    assert {module for module in modules if module.startswith("src.domain.tasks.")} == files
