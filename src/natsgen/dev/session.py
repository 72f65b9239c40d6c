"""One run of `natsgen dev`: starts and stops servers, services and the watcher of their files in order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from natsgen.dev import environment, running, tasks, watching
from natsgen.dev.console import Console
from natsgen.dev.environment import Servers
from natsgen.dev.running import Running
from natsgen.dev.service import DevService
from natsgen.errors import InputError, NatsgenError
from natsgen.harness.consul_agent import ConsulAgent
from natsgen.harness.errors import HarnessError
from natsgen.harness.local_server import LocalServer
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.programs import find_program
from natsgen.harness.reaper import temporary_folder

if TYPE_CHECKING:
    from nats.aio.client import Client

CONSUL_URL = "https://developer.hashicorp.com/consul/install"


@dataclass(frozen=True)
class Options:
    """The options of `natsgen dev`.

    Attributes:
        root: the workspace.
        services: names of those to run; none for all, including new ones.
        server: the address of a running NATS server; empty to start one.
        data: the folder of the NATS server's streams; None for one that is deleted at the end.
        port: the page's; None for any free one.
        page: whether there is a page.
        as_json: whether lines are JSON.
    """

    root: Path
    services: tuple[str, ...] = ()
    server: str = ""
    data: Path | None = None
    port: int | None = None
    page: bool = True
    as_json: bool = False


class Session:
    """The running services of a workspace.

    Attributes:
        services: by name.
        servers: what they connect to.
        takers: called with every log record of a service, and the service's name.
    """

    def __init__(self, options: Options, servers: Servers, console: Console, stop: asyncio.Event) -> None:
        self.options = options
        self.servers = servers
        self.console = console
        self._stop = stop
        self.services: dict[str, DevService] = {}
        self.takers: list[Callable[[str, Mapping[str, Any]], None]] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Run the services until `stop`.

        Raises:
            Exception: a bug in natsgen ended a service's task or the watcher.
        """
        folder = self.options.root / "services"
        watch = asyncio.create_task(watching.watch(folder, self._found, lambda name, files: self._edited(name, files)))
        watch.add_done_callback(lambda _: self._stop.set())
        try:
            await self._stop.wait()
        finally:
            for service in self.services.values():
                service.stop()
            await tasks.cancelled(watch)
            await tasks.ended(*self._tasks.values())

    def kill(self) -> None:
        """Stop the services at once."""
        for service in self.services.values():
            service.kill()

    def _found(self, names: set[str]) -> set[str]:
        wanted = names & set(self.options.services) if self.options.services else names
        for name in sorted(self.services.keys() - wanted):
            self.console.say(f"{name} is gone: stopping it")
            self.services.pop(name).stop()
        self.console.add(sorted(wanted))
        for name in sorted(wanted - self.services.keys()):
            service = DevService(self.options.root / "services" / name, self.servers, self.console, self._take)
            self.services[name] = service
            before = self._tasks.get(name)
            self._tasks[name] = asyncio.create_task(_after(before, service))
            self._tasks[name].add_done_callback(self.stop_if_failed)
        return wanted

    def _edited(self, name: str, files: set[Path]) -> None:
        if name in self.services:
            self.services[name].edited(files)

    def stop_if_failed(self, task: asyncio.Task[None]) -> None:
        """Stop everything if a bug in natsgen ended a task; the task's awaiter reports it."""
        if not task.cancelled() and task.exception():
            self._stop.set()

    def _take(self, service: str, line: str, record: Mapping[str, Any] | None) -> None:
        if record is not None:
            for take in self.takers:
                take(service, record)
        self.console.show(service, line, record)


async def _after(before: asyncio.Task[None] | None, service: DevService) -> None:
    """Run a service once its former process has ended, so that there are never two."""
    if before:
        await before
    await service.run()


def run(options: Options) -> None:
    """Run until the user stops it.

    Raises:
        InputError: a service does not exist.
        NatsgenError: a server cannot be started.
    """
    names = _check(options)
    console = Console(as_json=options.as_json)
    console.add(sorted(names))
    try:
        with ExitStack() as parts:
            file = parts.enter_context(running.only_one(options.root))
            folder = parts.enter_context(temporary_folder("natsgen-dev-"))
            servers, started = _servers(options, folder, console, parts)
            asyncio.run(_run(options, servers, console, file, started))
    except HarnessError as error:
        raise NatsgenError(str(error)) from error


def _check(options: Options) -> set[str]:
    folder = options.root / "services"
    there = environment.services_in(folder) if folder.is_dir() else set()
    if missing := sorted(set(options.services) - there):
        known = ", ".join(sorted(there)) or "none"
        raise InputError(f"unknown service {missing[0]} in {folder} (available: {known})")
    if not there:
        raise InputError(f"no services in {folder}: create one with natsgen new worker")
    return set(options.services) or there


def _servers(options: Options, folder: Path, console: Console, parts: ExitStack) -> tuple[Servers, list[LocalServer]]:
    """Start the servers, each in its own folder, and return their addresses."""
    started: list[LocalServer] = []
    consul: ConsulAgent | None = None
    if find_program("consul"):
        consul = parts.enter_context(ConsulAgent(folder / "consul"))
        started.append(consul)
        console.say("Consul runs", url=f"http://127.0.0.1:{consul.http_port}")
    else:
        console.say(f"Consul is off: the program `consul` is not installed ({CONSUL_URL})")
    url = options.server
    if not url:
        data = options.data.resolve() if options.data else folder / "nats"
        server = parts.enter_context(NatsServer(data))
        started.append(server)
        url = server.url
        kept = f"streams are kept in {data}" if options.data else "without --data-dir, streams are deleted at the end"
        console.say(f"NATS {server.monitor('/varz')['version']} with JetStream runs; {kept}", url=url)
    return Servers(url, consul.http_port if consul else None), started


async def _run(options: Options, servers: Servers, console: Console, file: Path, started: list[LocalServer]) -> None:
    stop = asyncio.Event()
    session = Session(options, servers, console, stop)
    _on_signals(stop, session)
    console.on_gone = stop.set
    watch = asyncio.create_task(_watch_servers(started, stop))
    try:
        client = await tasks.unless(stop, _connect(options, servers)) if options.page else None
        async with _page(session, client) if client else nullcontext("") as url:
            running.announce(file, Running(os.getpid(), servers.nats, url))
            if url:
                console.say("open the page", url=url)
            await session.run()
    finally:
        stop.set()
        await watch
    console.say("all services have stopped")


async def _connect(options: Options, servers: Servers) -> Client:
    """Return the page's connection; with `--server`, it uses the credentials of the first service.

    Raises:
        InputError: a credential is invalid.
        NatsError: the server cannot be reached.
    """
    from natsgen.dev.traffic import connect
    from natsgen.dlq import settings

    if not options.server:
        return await connect(settings.read(servers.nats, {}, None))
    first = options.root / "services" / sorted(_check(options))[0]
    return await connect(settings.read(servers.nats, os.environ, first))


@asynccontextmanager
async def _page(session: Session, client: Client) -> AsyncIterator[str]:
    """Serve the page, and yield its address."""
    from natsgen.dev.board import Board
    from natsgen.dev.page import Page

    board = Board(session, client)
    page = Page(board, session.options.port)
    looking, serving = asyncio.create_task(board.run()), asyncio.create_task(page.run())
    for task in (looking, serving):
        task.add_done_callback(session.stop_if_failed)
    try:
        yield page.url
    finally:
        page.stop()
        async with client:
            await tasks.cancelled(looking)
            await tasks.ended(serving)


def _on_signals(stop: asyncio.Event, session: Session) -> None:
    def interrupt() -> None:
        if stop.is_set():
            session.kill()
            return
        session.console.say("stopping; press Ctrl-C again to stop at once")
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupt)


async def _watch_servers(started: list[LocalServer], stop: asyncio.Event) -> None:
    """Stop everything if a server has ended.

    Raises:
        HarnessError: the end of the server's output.
    """
    try:
        while not stop.is_set():
            for server in started:
                server.process.check_alive()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)
    finally:
        stop.set()
