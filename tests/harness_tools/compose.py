"""The ports at which a compose project is reached."""

from __future__ import annotations

from natsgen.harness.containers import ComposeProject


def published_port(project: ComposeProject, service: str, private: int) -> int:
    """Return the port on this machine at which a service's `private` port is published."""
    return int(project.compose("port", service, str(private)).output.rpartition(":")[2])
