"""Running a sample in a container, with its generated compose files, on a separate network."""

from __future__ import annotations

import re
from contextlib import ExitStack
from functools import lru_cache

import yaml

from natsgen.harness.commands import run
from natsgen.harness.consul_api import ConsulApi
from natsgen.harness.containers import ComposeProject
from natsgen.harness.errors import HarnessError
from natsgen.harness.ports import LOOPBACK, free_port
from natsgen.harness.waiting import wait_until
from natsgen.smoke.lifecycle import statuses
from natsgen.smoke.steps import CheckFailed, LeftOut
from natsgen.smoke.work import ENGINE_SECONDS, PULL_SECONDS, Work, on_engine

PORTS = ("NATS_PORT", "NATS_MONITOR_PORT", "CONSUL_PORT", "REDIS_PORT")
"""Variables that the compose files read; they give parallel samples different ports."""
UP_SECONDS = 180.0
PASSING_SECONDS = 30.0
STOP_SECONDS = 45
LABEL = "natsgen.smoke"
ASK_UID = "import os; print(os.getuid())"


def container(work: Work) -> str:
    """Check that the image builds, and that its container becomes healthy, passes in Consul, is not root, and stops.

    Everything created on the engine is removed at the end, or when this process dies.
    """
    ports = {name: str(free_port()) for name in PORTS}
    override = work.root / "override.yml"
    # `restart` would hide a crash
    own = {"restart": "no", "labels": {LABEL: work.run_id}}
    override.write_text(yaml.safe_dump({"services": {work.service: own}}), encoding="utf-8")
    with ExitStack() as stack:
        _provide_images(work, stack)
        if network := work.answers.get("network"):
            label = f"{LABEL}={work.run_id}"
            on_engine(stack, ("network", "create", "--label", label, network), ("network", "rm", network))
        name = work.workspace.root.name
        project = ComposeProject(work.compose_file, override, environment=ports, name=name, remove_images=True)
        stack.enter_context(project)
        project.build(work.service)
        project.up(limit=UP_SECONDS)
        try:
            return _check(work, project, ConsulApi(LOOPBACK, int(ports["CONSUL_PORT"])))
        except HarnessError as error:
            raise CheckFailed(str(error), log=project.logs(work.service)) from error


def _check(work: Work, project: ComposeProject, consul: ConsulApi) -> str:
    wait_until(
        lambda: statuses(consul, work.service) == ["passing"],
        limit=PASSING_SECONDS,
        what="it to pass in Consul",
        alive=work.stopping.check,
    )
    user = project.exec(work.service, "python", "-c", ASK_UID).strip()
    if user == "0":
        raise HarnessError("its container runs as root")
    project.stop(work.service, timeout=STOP_SECONDS)
    if code := project.exit_code(work.service):
        raise HarnessError(f"its container ended with exit code {code} on SIGTERM")
    return f"healthy, passing in Consul, user {user}, stopped"


def _provide_images(work: Work, stack: ExitStack) -> None:
    """Tag the public images with the names that the sample uses, because its registry need not exist."""
    text = (work.folder / "Dockerfile").read_text(encoding="utf-8")
    stages = re.findall(r"^FROM (?:--\S+ )*(\S+)(?: AS (\S+))?", text, re.MULTILINE)
    built_stages = {name for _, name in stages}
    command = ("docker", "compose", "--file", work.compose_file, "config", "--images")
    printed = work.command(*command, limit=ENGINE_SECONDS, what="Compose rejects the files").output
    own = f"{work.workspace.root.name}-{work.service}"
    for image in {base for base, _ in stages if base not in built_stages} | (set(printed.split()) - {own}):
        public = image.removeprefix(f"{work.answers.get('registry', '')}/")
        if why := _missing(public):
            raise LeftOut(f"the image {public} is not on this machine and cannot be pulled ({why})")
        if public != image:
            on_engine(stack, ("tag", public, image), ("rmi", image))


@lru_cache
def _missing(image: str) -> str:
    """Return why an image is unavailable; "" if it is on the engine or can be pulled."""
    if run(["docker", "image", "inspect", image], limit=ENGINE_SECONDS, check=False).exit_code == 0:
        return ""
    done = run(["docker", "pull", "--quiet", image], limit=PULL_SECONDS, check=False)
    return " ".join(done.everything.split())[-200:] if done.exit_code else ""
