"""How a sample starts, shows that it is there, and stops."""

from __future__ import annotations

import time

from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.errors import HarnessError, ProcessDied
from natsgen.parts.publishers import PUBLISHERS
from natsgen.parts.subscribers import SUBSCRIBERS
from natsgen.smoke.live import CONSUL_TTL, Live
from natsgen.smoke.steps import CheckFailed, LeftOut

READY_SECONDS = 30.0
PASSING_SECONDS = 20.0
GONE_SECONDS = 10.0


def start(live: Live) -> str | None:
    """Check that it starts and serves HTTP."""
    try:
        live.running.start()
    except ProcessDied as error:
        raise live.failure(str(error).partition(". ")[0]) from error
    except HarnessError as error:
        raise live.failure(f"it does not serve HTTP: {str(error).partition(chr(10))[0]}") from error
    return None


def ready(live: Live) -> str:
    """Check that it becomes alive and ready."""
    alive = live.running.request("/healthz")
    if alive.status != 200:
        raise live.failure(f"/healthz answered {alive.status}: {alive.body.strip()}")
    live.wait(
        lambda: live.running.request("/readyz").status == 200,
        limit=READY_SECONDS,
        otherwise=lambda: f"it does not get ready; /readyz says {live.running.request('/readyz').body.strip()}",
    )
    return "/healthz and /readyz answer 200"


def parts(live: Live) -> str:
    """Check that it found all its parts and no others."""
    there = found(live)
    for kind, names in wanted(live).items():
        if missing := sorted(names - there[kind]):
            raise live.failure(f"the {kind} {', '.join(missing)} was not found by the service")
        if unknown := sorted(there[kind] - names):
            raise live.failure(f"the service has the {kind} {', '.join(unknown)}, which nobody asked for")
    return ", ".join(f"{len(names)} {kind}s" for kind, names in wanted(live).items() if names)


def wanted(live: Live) -> dict[str, set[str]]:
    """Return the names that `/stats` has to have of a sample's parts, by kind."""
    return {
        "handler": {one.name for one in live.handlers},
        "task": {one.name for one in live.tasks},
        "action": {one.subject_in(live.service) for one in live.actions},
        "publisher": {one.name for one in live.publishers},
        "subscriber": {one.name for one in live.subscribers},
    }


def found(live: Live) -> dict[str, set[str]]:
    """Return the names that `/stats` has, by kind."""
    stats = live.running.stats()
    subscriptions = stats.get("subscriptions", {})
    tasks = {name for name, one in subscriptions.items() if str(one.get("subject", "")).startswith("queue.")}
    return {
        "handler": set(subscriptions) - tasks,
        "task": tasks,
        "action": {one["subject"] for one in stats.get("actions", [])},
        "publisher": set(live.pubsub(PUBLISHERS)),
        "subscriber": set(live.pubsub(SUBSCRIBERS)),
    }


def consul(live: Live) -> str:
    """Check that it is passing in Consul, with an address at which it answers."""
    api = live.running.consul
    live.wait(
        lambda: _statuses(api, live.service) == ["passing"],
        limit=PASSING_SECONDS,
        otherwise=lambda: f"it does not get passing in Consul, which {_known_as(api, live.service)}",
    )
    live.passing_since = time.monotonic()
    (instance,) = api.service_instances(live.service)
    address, port = instance["Service"]["Address"], instance["Service"]["Port"]
    try:
        status = live.running.status_at(address, port)
    except (OSError, HarnessError) as error:
        raise live.failure(f"Consul has it at {address}:{port}, where nobody answers: {error}") from error
    if status != 200:
        raise live.failure(f"Consul has it at {address}:{port}, where /readyz answers {status}")
    return "passing"


def heartbeat(live: Live) -> str:
    """Check that it is still passing in Consul after its time to live."""
    api = live.running.consul
    if live.passing_since is None:
        raise CheckFailed("Consul never called it passing")
    enough = live.passing_since + CONSUL_TTL + 1

    def still_passing() -> bool:
        return time.monotonic() >= enough and _statuses(api, live.service) == ["passing"]

    live.wait(
        still_passing,
        limit=max(0.0, enough - time.monotonic()) + 2 * CONSUL_TTL,
        otherwise=lambda: f"it was passing in Consul, which now {_known_as(api, live.service)}",
    )
    return f"passing for longer than its time to live, {CONSUL_TTL:g} s"


def health(live: Live) -> str:
    """Check that the image's health check passes."""
    live.wait(
        lambda: live.running.check_health() == 0,
        limit=READY_SECONDS,
        otherwise=lambda: f"the image's health check ends with {live.running.check_health()} while the service is well",
    )
    return "healthy"


def unprivileged(live: Live) -> str:
    """Check that its container does not run as root."""
    user = live.running.user_id()
    if user == 0:
        raise live.failure("its container runs as root")
    return f"user {user}"


def stop(live: Live) -> str:
    """Check that SIGTERM ends it in time with exit code 0, and that it deregisters from Consul."""
    stopped = live.running.stop()
    if stopped.forced:
        raise live.failure(f"SIGTERM did not end it within {stopped.seconds:.0f} s")
    if stopped.exit_code != 0:
        raise live.failure(f"it ended with exit code {stopped.exit_code} on SIGTERM")
    try:
        api = live.running.consul
    except LeftOut:
        return f"exit code 0 after {stopped.seconds:.1f} s"
    deadline = time.monotonic() + GONE_SECONDS
    while _statuses(api, live.service):
        live.work.stopping.check()
        if time.monotonic() > deadline:
            raise live.failure("it has stopped, and Consul still has it")
        time.sleep(0.05)  # the pace of asking
    return f"exit code 0 after {stopped.seconds:.1f} s, gone from Consul"


def _known_as(api: ConsulApi, service: str) -> str:
    statuses = _statuses(api, service)
    return f"calls it {', '.join(statuses)}" if statuses else "does not know it"


def _statuses(api: ConsulApi, service: str) -> list[str]:
    """Return the states of the checks of a service's own, of all its instances."""
    return [
        check["Status"]
        for instance in api.service_instances(service)
        for check in instance["Checks"]
        if check["ServiceName"] == service
    ]
