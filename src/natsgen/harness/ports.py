"""Loopback ports for servers that are stopped and started again on the same port."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from natsgen.harness.errors import HarnessError, ProcessDied
from natsgen.harness.waiting import wait_until

T = TypeVar("T")
Ports = tuple[int, ...]

LOOPBACK = "127.0.0.1"
LOWEST = 20_000
HIGHEST = 32_000
ATTEMPTS = 200
START_ATTEMPTS = 5
ADDRESS_IN_USE = "address already in use"

PORT_FREE_SECONDS = 10.0
"""How long a restart waits for its port: longer than a client keeps a connection that it made to itself by accident."""


def free_port() -> int:
    """Return a TCP port that nobody listens on at 127.0.0.1 right now.

    It lies below the range from which the kernel takes the local ports of outgoing connections. A port from that range
    (which is what port 0 gives) may be taken by any connection while its server is down, even by a client that tries
    to reach that very server: on loopback such a client can connect to itself.
    """
    for _ in range(ATTEMPTS):
        port = random.randint(LOWEST, _highest())
        if is_free(port):
            return port
    raise HarnessError(f"no free port between {LOWEST} and {_highest()} on {LOOPBACK} in {ATTEMPTS} attempts")


def is_free(port: int) -> bool:
    """Return whether a server could listen on this TCP port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def start_on_free_ports(count: int, start: Callable[[Ports], T]) -> T:
    """Call `start` with `count` free ports, and with others when it dies because one was taken in the meantime.

    Returns what `start` returns and raises what it raises.
    """
    for _ in range(START_ATTEMPTS - 1):
        try:
            return start(_different_ports(count))
        except ProcessDied as error:
            if ADDRESS_IN_USE not in str(error):
                raise
    return start(_different_ports(count))


def start_on_same_ports(ports: Ports, start: Callable[[Ports], T]) -> T:
    """Call `start` with `ports` as soon as they are free.

    Raises `WaitTimeout` when they are not within 10 seconds, and what `start` raises.
    """
    wait_until(
        lambda: all(is_free(port) for port in ports),
        limit=PORT_FREE_SECONDS,
        what=f"the ports {', '.join(map(str, ports))} to be free again",
    )
    return start(ports)


def _different_ports(count: int) -> Ports:
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return tuple(ports)


def _highest() -> int:
    try:
        first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):  # not Linux: there the range begins at 49152
        return HIGHEST
    return min(HIGHEST, first_ephemeral - 1) if first_ephemeral > LOWEST + 1000 else HIGHEST
