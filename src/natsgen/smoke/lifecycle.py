"""Checks that a sample starts, registers, stays healthy, and stops."""

from __future__ import annotations

import time

from natsgen.harness.commands import run as run_command
from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.http_client import request
from natsgen.harness.ports import LOOPBACK
from natsgen.harness.waiting import wait_until
from natsgen.parts.actions import Action
from natsgen.parts.handlers import Handler
from natsgen.parts.kind import Part
from natsgen.parts.publishers import PUBLISHERS, Publisher
from natsgen.parts.subscribers import SUBSCRIBERS, Subscriber
from natsgen.parts.tasks import Task
from natsgen.smoke.gates import last_stage
from natsgen.smoke.running import CONSUL_TTL, GRACEFUL_SECONDS, Running, environment_path
from natsgen.smoke.steps import LeftOut

READY_SECONDS = 30.0
PASSING_SECONDS = 20.0
GONE_SECONDS = 10.0
HEALTH_SECONDS = 10.0
OVER_TIME = 5.0
"""Seconds that a service gets beyond its own limit to stop."""


def start(run: Running) -> None:
    """Check that it starts and serves HTTP."""
    run.start()


def ready(run: Running) -> str:
    """Check that it becomes healthy and ready."""
    health = run.request("/healthz")
    if health.status != 200:
        raise run.failure(f"/healthz answered {health.status}: {health.body.strip()}")
    run.wait(
        lambda: run.request("/readyz").status == 200,
        limit=READY_SECONDS,
        otherwise=lambda: f"it does not become ready; /readyz answers {run.request('/readyz').body.strip()}",
    )
    return "/healthz and /readyz answer 200"


def parts(run: Running) -> str:
    """Check that it found all its parts and no others."""
    seen = found(run)
    for kind, names in _names(run).items():
        if unknown := sorted(names - _wanted(run)[kind]):
            raise run.failure(f"the service has the {kind} {', '.join(unknown)}, which it should not have")
    return seen


def found(run: Running) -> str:
    """Check that it found all its parts."""
    there, wanted = _names(run), _wanted(run)
    for kind, names in wanted.items():
        if missing := sorted(names - there[kind]):
            raise run.failure(f"the {kind} {', '.join(missing)} was not found by the service")
    return ", ".join(f"{len(names)} {kind}s" for kind, names in wanted.items() if names)


def _wanted(run: Running) -> dict[str, set[str]]:
    """Return the names that `/stats` must list, by kind."""
    kinds: dict[str, type[Part]] = {"handler": Handler, "task": Task, "publisher": Publisher, "subscriber": Subscriber}
    named = {noun: {part.name for part in run.parts(kind)} for noun, kind in kinds.items()}
    return {**named, "action": {one.subject_in(run.name) for one in run.parts(Action)}}


def _names(run: Running) -> dict[str, set[str]]:
    """Return the names that `/stats` lists, by kind."""
    stats = run.service.stats()
    subscriptions = stats.get("subscriptions", {})
    tasks = {name for name, one in subscriptions.items() if str(one.get("subject", "")).startswith("queue.")}
    return {
        "handler": set(subscriptions) - tasks,
        "task": tasks,
        "action": {one["subject"] for one in stats.get("actions", [])},
        **{kind.noun: {one[kind.noun] for one in stats.get(kind.question, [])} for kind in (PUBLISHERS, SUBSCRIBERS)},
    }


def consul(run: Running) -> str:
    """Check that it passes in Consul, and answers at the registered address."""
    api = run.consul()
    run.wait(
        lambda: statuses(api, run.name) == ["passing"],
        limit=PASSING_SECONDS,
        otherwise=lambda: f"it does not pass in Consul, which {_known_as(api, run.name)}",
    )
    run.passing_since = time.monotonic()
    (instance,) = api.service_instances(run.name)
    address, port = instance["Service"]["Address"], instance["Service"]["Port"]
    status = request(address, port, "/readyz").status
    if status != 200:
        raise run.failure(f"at its address in Consul, {address}:{port}, /readyz answers {status}")
    return "passing"


def heartbeat(run: Running) -> str:
    """Check that it still passes in Consul after its time to live."""
    api = run.consul()
    enough = run.passing_since + CONSUL_TTL + 1
    run.wait(
        lambda: time.monotonic() >= enough and statuses(api, run.name) == ["passing"],
        limit=3 * CONSUL_TTL + 1,
        otherwise=lambda: f"it passed in Consul, which now {_known_as(api, run.name)}",
    )
    return f"still passing after its time to live, {CONSUL_TTL:g} s"


def health(run: Running) -> str:
    """Check that the health check of its Dockerfile passes on this machine."""
    _, command = last_stage(run.work.folder / "Dockerfile")
    environment = {
        "PATH": environment_path(run.work.python("requirements.txt")),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HTTP_HOST": LOOPBACK,
        "HTTP_PORT": str(run.service.port),
    }

    def code() -> int:
        folder = run.work.folder
        return run_command(command, limit=HEALTH_SECONDS, folder=folder, environment=environment, check=False).exit_code

    run.wait(
        lambda: code() == 0,
        limit=READY_SECONDS,
        otherwise=lambda: f"the image's health check exits with {code()} although the service is healthy",
    )
    return "healthy"


def stop(run: Running) -> str:
    """Check that SIGTERM ends it in time with exit code 0, and that it deregisters from Consul."""
    stopped = run.service.stop(GRACEFUL_SECONDS + OVER_TIME)
    if stopped.forced:
        raise run.failure(f"it did not stop within {stopped.seconds:.0f} s of SIGTERM")
    if stopped.exit_code != 0:
        raise run.failure(f"it exited with code {stopped.exit_code} on SIGTERM")
    seen = f"exit code 0 after {stopped.seconds:.1f} s"
    try:
        api = run.consul()
    except LeftOut:
        return seen
    wait_until(
        lambda: not statuses(api, run.name),
        limit=GONE_SECONDS,
        what="it to deregister from Consul",
        alive=run.work.stopping.check,
    )
    return f"{seen}, deregistered from Consul"


def statuses(api: ConsulApi, service: str) -> list[str]:
    """Return the states of a service's checks, over all its instances."""
    return [
        check["Status"]
        for instance in api.service_instances(service)
        for check in instance["Checks"]
        if check["ServiceName"] == service
    ]


def _known_as(api: ConsulApi, service: str) -> str:
    found = statuses(api, service)
    return f"reports it as {', '.join(found)}" if found else "does not list it"
