"""Loopback ports for servers that restart on the same port."""

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
"""Limits a restart's wait for its port: longer than a client keeps an accidental connection to itself."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 on which no program listens now.

    It is below the range from which the kernel takes the local ports of outgoing connections. While a server is down,
    any connection can take a port of that range (which port 0 returns), even a client that tries to reach this server:
    on loopback such a client can connect to itself.
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
    """Call `start` with `count` free ports; if one has been taken in the meantime, call it with others.

    Returns what `start` returns and raises what it raises.
    """
    for _ in range(START_ATTEMPTS - 1):
        try:
            return start(_different_ports(count))
        except ProcessDied as error:
            if ADDRESS_IN_USE not in str(error).lower():
                raise
    return start(_different_ports(count))


def start_on_same_ports(ports: Ports, start: Callable[[Ports], T]) -> T:
    """Call `start` with `ports` as soon as they are free.

    Raises `WaitTimeout` if they are not free within 10 seconds, and what `start` raises.
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
    except (OSError, ValueError, IndexError):  # not Linux: the range begins at 49152
        return HIGHEST
    return min(HIGHEST, first_ephemeral - 1) if first_ephemeral > LOWEST + 1000 else HIGHEST
