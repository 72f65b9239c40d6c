"""What a Consul agent knows of the services that are registered with it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from natsgen.harness.consul_agent import ConsulAgent, consul_version
from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.programs import need_program

WORST_FIRST = ("critical", "warning", "passing")


def agent_with_acl(folder: Path) -> ConsulAgent:
    """Return an agent that denies requests without a token; its own token has all permissions."""
    token = str(uuid.uuid4())
    version = consul_version(need_program("consul", hint="install Consul"))
    tokens = {"initial_management" if version >= (1, 11) else "master": token, "agent": token}
    acl = {"enabled": True, "default_policy": "deny", "tokens": tokens}
    return ConsulAgent(folder, token=token, configuration={"acl": acl})


def agent_services(api: ConsulApi) -> dict[str, dict[str, Any]]:
    """Return what is registered with the agent, by service ID."""
    return dict(api.get("/v1/agent/services"))


def check_status(api: ConsulApi, service_id: str) -> str | None:
    """Return the worst status of a service's checks: `passing`, `warning` or `critical`; None if there is no check."""
    statuses = {check["Status"] for check in _checks(api, service_id)}
    return next((status for status in WORST_FIRST if status in statuses), None)


def check_output(api: ConsulApi, service_id: str) -> str | None:
    """Return what a service's checks last said, a line each; None if there is no check."""
    checks = _checks(api, service_id)
    return "\n".join(str(check["Output"]) for check in checks) if checks else None


def _checks(api: ConsulApi, service_id: str) -> list[dict[str, Any]]:
    return [check for check in api.get("/v1/agent/checks").values() if check["ServiceID"] == service_id]
