"""What is tried, and what must hold: a row each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from nats.js import JetStreamContext

from tests.chaos import access_faults, faults
from tests.chaos.access import Access, Certificates, Credentials, NKey, Password, Permissions, Token
from tests.chaos.handler import DEFAULT_BACKOFF, MAX_PAYLOAD, Options
from tests.chaos.surroundings import Surroundings

if TYPE_CHECKING:
    from tests.chaos.run import Run

Dedup = Literal["none", "nats-kv", "redis"]

HEARTBEAT = 5.0
DEAD_SERVER = 2 * HEARTBEAT + 2.0
"""Seconds that a server, or the way to it, may be dead before the worker must be at work again."""

LEADER = 0.5
"""Seconds that the change of a leader may hold up a worker."""


@dataclass(frozen=True)
class Row:
    """One run: a world, workers, traffic, a fault in the middle of it, and the promises.

    Attributes:
        name: what `make chaos ROW=` takes.
        what: the fault in a few words, for the table.
        fault: what is done; it runs beside the traffic.
        prepare: what is done before the workers start.
        dedup: the inbox (`DEDUP`).
        cluster: three servers and streams of three replicas; else one server.
        replicas: of the worker.
        proxy: whether the workers reach the server through one.
        consul: whether the workers are registered in one.
        options: how the handler subscribes and works.
        seconds: how long traffic flows in the short form at least.
        rate: events a second in the long form, at most.
        shares: what part of the events (an integer: how many) does something else than "work".
        large: further such events, with the bytes of their headers and payload.
        stall: the limit for the longest stall, in seconds.
        oldest: the limit for the age of the oldest event, in seconds; None where some wait for `ack_wait`.
        ordered: whether every key's events must be handled in order.
        once: whether no event may be handled again, even without an inbox.
        restarts: whether workers are started again that end by themselves.
        access: what the server asks the worker for.
        surroundings: what the workers' processes run in, where that is special.
        max_payload: the server's limit for headers and payload, in bytes.
        bulky: what part of the events is as large as that.
    """

    name: str
    what: str
    fault: Callable[[Run], Awaitable[None]]
    dedup: Dedup = "none"
    cluster: bool = False
    replicas: int = 1
    proxy: bool = False
    consul: bool = False
    options: Options = field(default_factory=Options)
    seconds: float = 10.0
    rate: float = 400.0
    prepare: Callable[[JetStreamContext], Awaitable[None]] | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    large: Sequence[tuple[str, int]] = ()
    stall: float = DEAD_SERVER
    oldest: float | None = None
    ordered: bool = False
    once: bool = False
    restarts: bool = False
    access: type[Access] | None = None
    surroundings: Surroundings | None = None
    max_payload: int = MAX_PAYLOAD
    bulky: float = 0.0


def with_inboxes(row: Row, *dedups: Dedup) -> list[Row]:
    """The row, and once more with each inbox."""
    return [row, *(replace(row, name=f"{row.name}-{dedup.removeprefix('nats-')}", dedup=dedup) for dedup in dedups)]


WORKER = [
    Row(
        "calm",
        "nothing",
        faults.nothing,
        options=Options(concurrency=1),
        seconds=5,
        stall=LEADER,
        oldest=LEADER,
        ordered=True,
        once=True,
    ),
    *with_inboxes(
        Row(
            "worker-killed",
            "worker killed (SIGKILL), started again",
            faults.worker_killed,
            options=Options(work=0.02),
        ),
        "nats-kv",
        "redis",
    ),
    *with_inboxes(
        Row(
            "rolling-restart",
            "three replicas restarted (SIGTERM), one after the other",
            faults.rolling_restart,
            replicas=3,
            options=Options(ack_wait=30, work=0.005),
            stall=LEADER,
            oldest=5.0,
            once=True,
        ),
        "nats-kv",
    ),
    Row(
        "restarts",
        "one worker with a backlog restarted (SIGTERM), twice as often as there are attempts",
        faults.restarts,
        options=Options(concurrency=1, ack_wait=30, work=0.004, max_attempts=3),
        once=True,
    ),
    *with_inboxes(
        Row(
            "handler-crashes",
            "events that kill their worker",
            faults.nothing,
            options=Options(concurrency=1, ack_wait=2.0, max_attempts=3),
            shares={"exit": 1, "kill": 1},
            seconds=15,
            restarts=True,
        ),
        "nats-kv",
    ),
    *(
        Row(
            f"killers-{concurrency}",
            f"three events that kill their worker, among {concurrency} that are handled at once",
            faults.nothing,
            options=Options(concurrency=concurrency, ack_wait=2.0, max_attempts=3, work=0.02),
            shares={"exit": 2, "kill": 1},
            seconds=15,
            restarts=True,
        )
        for concurrency in (10, 50)
    ),
    Row(
        "consul-down",
        "Consul killed, started again after 3 s",
        faults.consul_down,
        consul=True,
        options=Options(concurrency=1),
        stall=LEADER,
        oldest=LEADER,
        ordered=True,
        once=True,
    ),
    Row("redis-down", "Redis killed, started again after 3 s", faults.redis_down, dedup="redis"),
    Row(
        "backlog-1mb",
        "a backlog in which every seventh event has 1 MiB, worked off with 256 MiB of memory (RLIMIT_DATA)",
        faults.backlog,
        options=Options(work=0.005),
        surroundings=Surroundings(memory=256),
        max_payload=1024 * 1024,
        bulky=0.15,
        seconds=20,
        rate=200,
        stall=600,
        once=True,
    ),
    Row(
        "output-blocked",
        "nobody reads standard output for 20 s, and every event logs 16 KB",
        faults.output_blocked,
        options=Options(logged=16_384),
        surroundings=Surroundings(piped=True),
        seconds=30,
        stall=LEADER,
        once=True,
    ),
    *with_inboxes(
        Row(
            "clock-off",
            "one of two replicas sees a wall clock 5 min ahead, then one 5 min behind, and is killed each time",
            faults.clock_off,
            replicas=2,
            options=Options(work=0.005, max_attempts=10),  # a kill may take one of a flaky event
            surroundings=Surroundings(clock=True),
            shares={"flaky": 0.3, "reject": 0.01},
            seconds=15,
            oldest=60.0,
        ),
        "nats-kv",
        "redis",
    ),
]
ACCESS = [
    *(
        Row(
            f"{what}-rotated",
            f"{said} replaced at the server ({how}), and 3 s later in the worker's file; the server refuses the old "
            "one",
            access_faults.rotated,
            access=access,
        )
        for what, said, how, access in (
            ("password", "password", "reload", Password),
            ("token", "token", "restart", Token),
            ("nkey", "NKey", "reload", NKey),
            ("creds", "user of the credentials file", "reload", Credentials),
        )
    ),
    Row(
        "certificates-rotated",
        "certificates of authority, server and client replaced at the server (reload), and 3 s later in the worker's "
        "files; the server refuses the old ones; connection reset",
        access_faults.rotated,
        proxy=True,
        access=Certificates,
    ),
    Row(
        "subscribe-denied",
        "permission to subscribe taken away, given back after 3 s (reload)",
        access_faults.subscribe_denied,
        access=Permissions,
        options=Options(backoff=DEFAULT_BACKOFF),
    ),
    Row(
        "publish-denied",
        "permission to publish what handlers publish taken away, given back after 3 s (reload)",
        access_faults.publish_denied,
        access=Permissions,
        options=Options(backoff=DEFAULT_BACKOFF),
    ),
    *with_inboxes(
        Row(
            "ack-denied",
            "permission to acknowledge taken away, given back after 3 s (reload)",
            access_faults.ack_denied,
            access=Permissions,
            options=Options(backoff=DEFAULT_BACKOFF),
        ),
        "nats-kv",
    ),
]
SERVER = [
    *with_inboxes(
        Row("server-killed", "server killed (SIGKILL), started again", faults.server_killed), "nats-kv", "redis"
    ),
    *with_inboxes(Row("server-frozen", "server frozen (SIGSTOP) for 3 s", faults.server_frozen), "nats-kv"),
    Row(
        "fleet-frozen",
        "server frozen (SIGSTOP) for 10 s, under 50 workers",
        faults.fleet_frozen,
        replicas=50,
        seconds=20,
        stall=faults.FLEET_AWAY_SECONDS + 5.0,
    ),
    *with_inboxes(Row("consumer-deleted", "consumer deleted", faults.consumer_deleted), "nats-kv"),
    *with_inboxes(
        Row("half-open", "connection silent both ways, not closed", faults.half_open, proxy=True, seconds=20),
        "nats-kv",
    ),
    Row(
        "half-open-to-worker",
        "connection silent towards the worker",
        faults.half_open_to_worker,
        proxy=True,
        seconds=20,
        dedup="nats-kv",
    ),
    Row(
        "half-open-to-server",
        "connection silent towards the server",
        faults.half_open_to_server,
        proxy=True,
        seconds=20,
        dedup="nats-kv",
    ),
    *with_inboxes(Row("connection-reset", "connection reset", faults.connection_reset, proxy=True), "nats-kv"),
]
CLUSTER = [
    *with_inboxes(
        Row(
            "consumer-leader",
            "consumer's leader steps down",
            faults.consumer_steps_down,
            cluster=True,
            stall=LEADER,
        ),
        "nats-kv",
    ),
    *with_inboxes(
        Row("stream-leader", "stream's leader steps down", faults.stream_steps_down, cluster=True, stall=LEADER),
        "nats-kv",
    ),
    *with_inboxes(
        Row(
            "leader-killed",
            "server that leads the consumer killed, back after 3 s",
            faults.leader_killed,
            cluster=True,
            options=Options(backoff=DEFAULT_BACKOFF),
            seconds=18,
        ),
        "nats-kv",
    ),
    Row(
        "other-killed",
        "server that does not lead the consumer killed, back after 3 s",
        faults.other_killed,
        cluster=True,
        options=Options(backoff=DEFAULT_BACKOFF),
        seconds=18,
    ),
]
MESSAGES = [
    *with_inboxes(
        Row(
            "poison",
            "events that cannot be read, or are rejected",
            faults.nothing,
            shares={"undecodable": 0.02, "invalid": 0.02, "reject": 0.02},
            stall=LEADER,
            once=True,
        ),
        "nats-kv",
    ),
    *with_inboxes(
        Row(
            "slow-handler",
            "handler takes 2.5 times ack_wait",
            faults.nothing,
            options=Options(ack_wait=3.0, slow=7.5),
            shares={"slow": 6},
            stall=LEADER,
            once=True,
        ),
        "nats-kv",
    ),
    *with_inboxes(
        Row("raises", "handler raises in 20 % of its runs", faults.nothing, shares={"flaky": 0.9}, once=True),
        "nats-kv",
    ),
    Row("dlq-deleted", "stream DLQ deleted", faults.letters_deleted, shares={"reject": 0.05}),
    Row(
        "dlq-full",
        "stream DLQ full, enlarged later",
        faults.letters_full,
        prepare=faults.make_small_letters_stream,
        shares={"reject": 0.1},
    ),
    *with_inboxes(
        Row(
            "payload-limit",
            "payloads at and above the server's limit",
            faults.nothing,
            shares={"reject": 0.01, "oversize": 5},
            large=[
                *[("work", MAX_PAYLOAD), ("work", MAX_PAYLOAD - 1), ("work", MAX_PAYLOAD - 500)],
                *[("reject", MAX_PAYLOAD), ("reject", MAX_PAYLOAD - 1), ("reject", MAX_PAYLOAD - 500)],
                *[("undecodable", MAX_PAYLOAD), ("invalid", MAX_PAYLOAD), ("invalid", MAX_PAYLOAD - 500)],
                *[("work", MAX_PAYLOAD + 1_000), ("reject", 2 * MAX_PAYLOAD)],
            ],
            once=True,
        ),
        "nats-kv",
    ),
]
ROWS = {row.name: row for row in [*WORKER, *ACCESS, *SERVER, *CLUSTER, *MESSAGES]}
