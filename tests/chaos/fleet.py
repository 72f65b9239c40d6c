"""The generated workers of a row: replicas that are killed, stopped and started again."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from natsgen.harness.environment import environment_for
from natsgen.harness.service import GeneratedService
from tests.chaos.handler import HANDLER, RECORD_VARIABLE, SUBJECT, Options
from tests.chaos.surroundings import Surroundings, peak_memory
from tests.harness_tools.readiness import wait_ready

STOP_SECONDS = 40.0
"""Beyond the worker's own limit (GRACEFUL_SHUTDOWN_TIMEOUT, 30 s by default)."""


def generate_services(workspace: Path) -> Path:
    """Generate `services/billing` with each inbox, by the command that a person types, and return their folder.

    The service with `DEDUP=redis`, for example, is in `redis/services/billing`.
    """
    for dedup in ("none", "nats-kv", "redis"):
        command = [sys.executable, "-m", "natsgen", "new", "worker", "billing", "--subject", SUBJECT, "--dedup", dedup]
        subprocess.run([*command, "--workspace", str(workspace / dedup), "--no-input"], check=True, capture_output=True)
    return workspace


def service_with(generated: Path, dedup: str) -> Path:
    """Return the folder of the service with this inbox."""
    return generated / dedup / "services" / "billing"


def python_for(generated: Path) -> Path:
    """Return the interpreter that all of them run with: that of Redis, which has what the others need."""
    return environment_for(service_with(generated, "redis") / "requirements.txt")


class Fleet:
    """`replicas` processes of one generated worker, whose handler is written with `options`.

    Attributes:
        folder: where they write to, and where the files of their surroundings are.
        records: the file that every handler appends its records to.
        kills: how often a replica was killed, or ended by itself.
        forced: replicas that did not end within their limit after SIGTERM, or with another exit code than 0.
    """

    def __init__(
        self,
        generated: Path,
        folder: Path,
        options: Options,
        replicas: int,
        settings: Mapping[str, str],
        surroundings: Surroundings | None = None,
    ) -> None:
        service = Path(shutil.copytree(service_with(generated, settings["DEDUP"]), folder / "billing"))
        (service / "src/domain/handlers" / f"{HANDLER}_handler.py").write_text(options.source())
        python = python_for(generated)
        if surroundings:
            python = surroundings.launcher(python, folder)
        self.folder = folder
        self.records = folder / "records"
        self.records.touch()
        self.kills = 0
        self.forced: list[str] = []
        self.workers = [
            GeneratedService(
                service,
                python=python,
                log_folder=folder,
                name=f"worker{number}",
                settings={**settings, "HOSTNAME": f"worker{number}", RECORD_VARIABLE: str(self.records)},
            )
            for number in range(replicas)
        ]
        self._supervising: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts all replicas and waits until they are ready."""
        await asyncio.gather(*(self._start(worker) for worker in self.workers))

    async def kill(self, number: int) -> None:
        """Kills a replica at once (SIGKILL) and starts it again."""
        self.kills += 1
        worker = self.workers[number]
        await asyncio.to_thread(worker.kill)
        await self._start(worker)

    async def restart(self, number: int) -> None:
        """Stops a replica with SIGTERM, as a deployment does, starts it again and waits until it is ready."""
        await self.stop_one(number)
        await self.start_one(number)

    async def stop_one(self, number: int) -> None:
        """Stops a replica with SIGTERM."""
        await self._stop(self.workers[number])

    async def start_one(self, number: int) -> None:
        """Starts a replica that was stopped, and waits until it is ready."""
        await self._start(self.workers[number])

    def supervise(self) -> None:
        """From now on, starts again what ended by itself, as Docker's restart policy does."""
        self._supervising = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """Stops all replicas in order."""
        if self._supervising:
            self._supervising.cancel()
            await asyncio.wait([self._supervising])
        await asyncio.gather(*(self._stop(worker) for worker in self.workers))

    def peak_memory(self) -> float:
        """The most memory that one of the running replicas has had resident since its start, in MiB."""
        return max(peak_memory(worker.process.pid) for worker in self.workers)

    def kill_all(self) -> None:
        """Ends what still runs, for a row that failed."""
        for worker in self.workers:
            if worker.started:
                worker.kill()

    async def _start(self, worker: GeneratedService) -> None:
        await asyncio.to_thread(worker.start)
        await asyncio.to_thread(wait_ready, worker)

    async def _stop(self, worker: GeneratedService) -> None:
        stopped = await asyncio.to_thread(worker.stop, STOP_SECONDS)
        if stopped.forced or stopped.exit_code != 0:
            self.forced.append(f"{worker.name}: {stopped}")

    async def _supervise(self) -> None:
        while True:
            for worker in self.workers:
                if not worker.process.running:
                    self.kills += 1
                    await asyncio.to_thread(worker.start)
            await asyncio.sleep(0.02)  # the pace at which ended processes are looked for
