"""Who is measured: the generated worker, and what people would write or install instead."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import handlers
from benchmarks.arena import Load
from natsgen.harness.environment import environment_for
from natsgen.harness.ports import LOOPBACK
from natsgen.harness.processes import ManagedProcess
from natsgen.harness.service import GeneratedService
from tests.harness_tools.redis_server import RedisServer

Start = Callable[[str, Load, Path], AbstractContextManager[Any]]
"""Creates a contestant for a server's URL, a load and a folder; entering it starts its process."""

HERE = Path(__file__).resolve().parent
IMPORTABLE = {"PYTHONPATH": str(HERE.parent)}  # for what rivals share


def generate(workspace: Path, *more: str) -> Path:
    """Generate the service `bench` with both inboxes, and return its folder; `Worker` writes its handler.

    `more` are further options of `natsgen new`.
    """
    services = {dedup: workspace / dedup / "services" / "bench" for dedup in ("nats-kv", "redis")}
    for dedup in services:
        command = [sys.executable, "-m", "natsgen", "new", "worker", "bench", "--subject", "bench.item.event0"]
        options = ["--dedup", dedup, "--workspace", str(workspace / dedup), "--no-input", *more]
        subprocess.run([*command, *options], check=True, capture_output=True)
    service, store = services["redis"], "src/inbox/kv_inbox.py"
    shutil.copy(services["nats-kv"] / store, service / store)  # a service has one; here each is measured
    for handler in (service / "src/domain/handlers").glob("*_handler.py"):
        handler.unlink()
    return service


@dataclass(frozen=True)
class Worker:
    """The generated worker, as generated but for what its handlers do and what a figure is about.

    Attributes:
        generated: the service's folder, of which a copy is run.
        handler: the text of a handler file.
        options: further arguments of `subscriber`, such as `, concurrency=10`.
        settings: environment variables.
    """

    generated: Path
    handler: str = handlers.EMPTY
    options: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    def service(self, url: str, load: Load, folder: Path, name: str = "worker") -> GeneratedService:
        """Return the service, not started; its logs and its copy, which keeps its bytecode, are in `folder`."""
        copy = folder / f"{name}-service"
        if not copy.exists():
            shutil.copytree(self.generated, copy)
        files = copy / "src/domain/handlers"
        wanted = {
            files / f"event{number}_handler.py": self.handler.format(
                subject=subject, number=number, options=self.options
            )
            for number, subject in enumerate(load.subjects)
        }
        for file in set(files.glob("*_handler.py")) - wanted.keys():
            file.unlink()
        for file, text in wanted.items():
            if not file.exists() or file.read_text() != text:
                file.write_text(text)
        return GeneratedService(
            copy,
            python=self.python,
            log_folder=folder,
            name=name,
            settings={**self.settings_for(url), "HOSTNAME": name},
        )

    def settings_for(self, url: str) -> dict[str, str]:
        """Its environment variables; there is no Consul, which it would look for."""
        return {"NATS_URL": url, "CONSUL_ENABLED": "false", "DEDUP": "none", "LOG_FORMAT": "json", **self.settings}

    @property
    def python(self) -> Path:
        """Return the interpreter with the service's requirements."""
        return environment_for(self.generated / "requirements.txt")


def emptied(redis: RedisServer, start: Start) -> Start:
    """Return the same contestant, which finds Redis empty."""

    def start_with_empty(url: str, load: Load, folder: Path) -> AbstractContextManager[Any]:
        with socket.create_connection((LOOPBACK, redis.port)) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            connection.recv(64)
        return start(url, load, folder)

    return start_with_empty


@contextmanager
def rival(
    script: str, python: Path, settings: Mapping[str, str], url: str, load: Load, folder: Path
) -> Iterator[ManagedProcess]:
    """One of the scripts in `benchmarks/rivals`; entering it starts it, and it is killed: no figure is of its end."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    told = {"BENCH_URL": url, "BENCH_STREAM": load.name, "BENCH_SUBJECTS": ",".join(load.subjects)}
    with ManagedProcess(
        [python, HERE / "rivals" / f"{script}.py"],
        name=script,
        log_folder=folder,
        environment={**kept, **IMPORTABLE, **told, **settings},
    ) as process:
        try:
            yield process
        finally:
            process.kill()
