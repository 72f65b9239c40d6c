"""The service as a whole: every file in `src/domain` is found, and has what it needs."""

from __future__ import annotations

from src.config import settings
from src.infrastructure.worker import DOMAIN, Worker


def test_every_handler_is_found() -> None:
    worker = Worker(settings)

    # Fails if two handlers share a durable, or if a part lacks its package: `natsgen repair` adds that.
    worker.register()

    files = {f"src.domain.handlers.{path.stem}" for path in (DOMAIN / "handlers").glob("*_handler.py")}
    modules = {runner.subscription.function.__module__ for runner in worker.runners}
    assert {module for module in modules if module.startswith("src.domain.handlers.")} == files
