"""Waiting until a generated service is ready."""

from __future__ import annotations

from natsgen.harness.errors import WaitTimeout
from natsgen.harness.http_client import Response
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until

READY_SECONDS = 30.0


def wait_ready(service: GeneratedService, limit: float = READY_SECONDS) -> None:
    """Wait up to `limit` seconds until `/readyz` answers 200.

    Raises `ProcessDied` or `WaitTimeout` with the last answer and the end of the output.
    """
    last: Response | None = None

    def ready() -> bool:
        nonlocal last
        last = service.get("/readyz")
        return last.status == 200

    try:
        wait_until(ready, limit=limit, what=f"{service.name} to be ready", alive=service.process.check_alive)
    except WaitTimeout as error:
        raise WaitTimeout(f"{error}; last answer: {last}. Its output:\n{service.process.tail()}") from error
