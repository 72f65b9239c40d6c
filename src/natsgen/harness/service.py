"""A generated service as a process, started as its README says and watched through its endpoints and log."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from natsgen.harness.errors import HarnessError
from natsgen.harness.http_client import REQUEST_SECONDS, Response, request
from natsgen.harness.local_server import START_SECONDS, LocalServer
from natsgen.harness.metrics_text import parse_metrics
from natsgen.harness.output import json_records
from natsgen.harness.ports import LOOPBACK
from natsgen.harness.processes import ManagedProcess
from natsgen.harness.programs import absolute_program

SERVING_MESSAGE = "http server started"
"""The message of the log record with the `port` of a service, which the kernel chooses for HTTP_PORT=0."""


class GeneratedService(LocalServer):
    """`python -m src.main` in `folder`, the folder of a generated service; one object is one run at a time.

    `python` is the interpreter of an environment with its requirements (see `environment_for`), `settings` its
    environment variables. Of this process's environment it gets only PATH, HOME and LANG, so that no other variable
    affects a test. It serves HTTP on 127.0.0.1, on a free port unless the settings name one. Its output goes to
    `<name>.log` and `<name>.err.log` in `log_folder`.
    As a context manager it is started and stopped.
    """

    def __init__(
        self,
        folder: Path,
        *,
        python: str | Path,
        log_folder: Path,
        settings: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        self.folder = folder.resolve()
        super().__init__(name or self.folder.name)
        self.settings = dict(settings or {})
        self._python = absolute_program(python)
        self._log_folder = log_folder
        self._port: int | None = None

    @property
    def port(self) -> int:
        """Return the port of the HTTP endpoints in this run. Raises `HarnessError` until the service listens."""
        if self._port is None:
            raise HarnessError(f"{self.name} does not serve HTTP yet")
        return self._port

    def launch(self) -> None:
        """Start the process and return at once, for a service that is expected to exit."""
        self._refuse_if_running()
        self._port = None
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self._process = ManagedProcess(
            [self._python, "-m", "src.main"],
            name=self.name,
            log_folder=self._log_folder,
            environment={**kept, "HTTP_HOST": LOOPBACK, "HTTP_PORT": "0", **self.settings},
            folder=self.folder,
            separate_errors=True,
        )

    def start(self, *, limit: float = START_SECONDS) -> None:
        """Start the process and wait up to `limit` seconds until it serves HTTP, before it is ready.

        Raises `ProcessDied` or `WaitTimeout`, each with the end of its output.
        """
        self.launch()
        try:
            line = self.process.wait_for_line(f'"{SERVING_MESSAGE}"', limit=limit).string
            record = json_records([line], self.name)[0]
            self._port = int(record["port"])
        except (KeyError, TypeError, ValueError) as error:
            self.process.kill()
            raise HarnessError(f"{self.name} logged {SERVING_MESSAGE!r} without its port: {line}") from error
        except BaseException:
            self.process.kill()
            raise

    def get(self, path: str, *, limit: float = REQUEST_SECONDS) -> Response:
        """Return the response of `path`. Raises `OSError` if the service cannot be reached."""
        return request(LOOPBACK, self.port, path, limit=limit)

    def stats(self) -> dict[str, Any]:
        """Return `/stats`, parsed. Raises `HarnessError` for a status other than 200."""
        return dict(json.loads(self._body("/stats")))

    def metrics(self) -> dict[str, float]:
        """Return the samples of `/metrics` by name with labels. Raises `HarnessError` as `stats` does."""
        return parse_metrics(self._body("/metrics"))

    def log_records(self) -> list[dict[str, Any]]:
        """Return this run's log records. Raises `HarnessError` for a line that is not a JSON object."""
        return json_records(self.process.lines(), self.name)

    def _body(self, path: str) -> str:
        response = self.get(path)
        if response.status != 200:
            raise HarnessError(f"{path} of {self.name} answered {response.status}: {response.body.strip()}")
        return response.body
