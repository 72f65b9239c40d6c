"""The ports at which a compose project is reached, and what it has left on the engine."""

from __future__ import annotations

from natsgen.harness.commands import run
from natsgen.harness.containers import ComposeProject


def published_port(project: ComposeProject, service: str, private: int) -> int:
    """Return the port on this machine at which a service's `private` port is published."""
    return int(project.compose("port", service, str(private)).output.rpartition(":")[2])


def leftovers(project: str) -> list[str]:
    """Return what of a compose project is still on the engine, such as `container <name>`."""
    label = f"label=com.docker.compose.project={project}"
    listings = {
        "container": ["docker", "ps", "--all", "--filter", label, "--format", "{{.Names}}"],
        "network": ["docker", "network", "ls", "--filter", label, "--format", "{{.Name}}"],
        "volume": ["docker", "volume", "ls", "--filter", label, "--format", "{{.Name}}"],
    }
    return [f"{kind} {name}" for kind, command in listings.items() for name in run(command, limit=20).output.split()]
