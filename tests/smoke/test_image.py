"""The image by itself, without Compose, of a checkout that nobody else may read."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from natsgen.harness.waiting import wait_until

pytestmark = pytest.mark.docker


def run(*words: str, cwd: Path, umask: int = -1) -> str:
    done = subprocess.run(words, cwd=cwd, umask=umask, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A worker that a strict umask has made."""
    workspace = tmp_path_factory.mktemp("workspace")
    new = ("new", "worker", "billing", "--subject", "orders.order.created", "--deploy", "kubernetes", "--no-input")
    run(sys.executable, "-m", "natsgen", *new, cwd=workspace, umask=0o077)
    return workspace / "services/billing"


@pytest.fixture(scope="module")
def image(service: Path) -> Iterator[str]:
    """Its image."""
    assert (service / "src/main.py").stat().st_mode & 0o077 == 0
    for name, mode in {"src/config.py": 0o400, "pyproject.toml": 0o640, "src/domain": 0o710, "src": 0o700}.items():
        (service / name).chmod(mode)
    name = f"natsgen-test-image-{uuid.uuid4().hex[:12]}"
    try:
        run("docker", "build", "--quiet", "--tag", name, os.fspath(service), cwd=service)
        yield name
    finally:
        subprocess.run(["docker", "rmi", "--force", name], check=False, capture_output=True, timeout=60)


def test_its_user_can_read_what_a_strict_umask_wrote(image: str, tmp_path: Path) -> None:
    run("docker", "run", "--rm", image, "python", "-c", "import src.main", cwd=tmp_path)


def test_what_handlers_leave_behind_is_reaped_and_a_signal_stops_it(image: str, tmp_path: Path) -> None:
    """Also without `--init`: the first process waits for every orphan, and passes signals on."""
    container = run("docker", "run", "--detach", "--env", "CONSUL_ENABLED=false", image, cwd=tmp_path).strip()

    def inside(script: str) -> str:
        return run("docker", "exec", container, "sh", "-c", script, cwd=tmp_path)

    try:
        wait_until(
            lambda: "worker starting" in run("docker", "logs", container, cwd=tmp_path), limit=20, what="a start"
        )
        inside('for i in 1 2 3; do sh -c "sleep 0.2 & exit 0"; done')
        inside("setsid sh -c 'sleep 0.1 & sleep 0.3 & kill -9 $$' || true")  # and of one that was killed
        inside("python -c 'import os; os.fork() or os.fork() or os._exit(1); os._exit(0)'")  # and a grandchild's
        states = lambda: [line.split(") ")[1][0] for line in inside("cat /proc/[0-9]*/stat").splitlines()]  # noqa: E731
        wait_until(lambda: "sleep" not in inside("cat /proc/[0-9]*/comm"), limit=30, what="the orphans to end")
        wait_until(lambda: "Z" not in states(), limit=30, what="no zombie")

        run("docker", "stop", "--time", "20", container, cwd=tmp_path)
        assert run("docker", "inspect", "--format", "{{.State.ExitCode}}", container, cwd=tmp_path).strip() == "0"
        assert "worker stopped" in run("docker", "logs", container, cwd=tmp_path)
    finally:
        subprocess.run(["docker", "rm", "--force", container], check=False, capture_output=True, timeout=60)


def test_it_runs_as_a_pod_by_its_manifest(image: str, service: Path, tmp_path: Path) -> None:
    """With the user, environment, limits, secret files, probes and grace period of the Deployment."""
    base = service / "deploy/kubernetes/base"
    (settings,) = yaml.safe_load((base / "kustomization.yaml").read_text())["configMapGenerator"]
    pod = yaml.safe_load((base / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    user, privileges = pod["securityContext"], container["securityContext"]
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "password").write_text("s3cret")
    secret.chmod(0o755)  # what the kubelet does by fsGroup
    (secret / "password").chmod(0o444)
    network = f"natsgen-test-{uuid.uuid4().hex[:12]}"
    own = ("NATS_USER=billing", f"NATS_PASSWORD_FILE={mounts['secrets']}/password", "HOSTNAME=billing-5d4f-x2x")
    environment = [word for one in (*settings["literals"], *own) for word in ("--env", one)]
    limits = ("--memory", container["resources"]["limits"]["memory"].replace("Mi", "m"), "--tmpfs", mounts["tmp"])
    unprivileged = ("--user", f"{user['runAsUser']}:{user['runAsGroup']}", "--security-opt", "no-new-privileges")
    assert privileges["readOnlyRootFilesystem"]
    assert not privileges["allowPrivilegeEscalation"]
    dropped = [word for one in privileges["capabilities"]["drop"] for word in ("--cap-drop", one)]

    def docker(*words: str) -> str:
        return run("docker", *words, cwd=tmp_path).strip()

    def probe(name: str) -> int:
        """The status that the kubelet would see."""
        (port,) = (one["containerPort"] for one in container["ports"] if one["name"] == name_of_port(name))
        url = f"http://127.0.0.1:{port}{container[name]['httpGet']['path']}"
        script = "import sys, urllib.request as u\ntry: print(u.urlopen(sys.argv[1]).status)\n"
        script += "except u.HTTPError as error: print(error.code)"
        return int(docker("exec", worker, "python", "-c", script, url))

    def name_of_port(name: str) -> str:
        return str(container[name]["httpGet"]["port"])

    docker("network", "create", network)
    worker = nats = ""
    try:
        volume = f"{secret}:{mounts['secrets']}:ro"
        worker = docker(
            *("run", "--detach", "--read-only", "--network", network, "--volume", volume, *environment),
            *(*limits, *unprivileged, *dropped, image),
        )
        wait_until(lambda: probe("startupProbe") == 200, limit=60, what="the pod to start, without NATS")
        assert probe("livenessProbe") == 200
        assert probe("readinessProbe") == 503
        server = ("nats:2.15-alpine", "-js", "--user", "billing", "--pass", "s3cret")
        nats = docker("run", "--detach", "--network", network, "--network-alias", "nats.nats", *server)
        wait_until(lambda: probe("readinessProbe") == 200, limit=120, what="the pod to be ready, with NATS")
        docker("stop", "--time", "5", nats)
        wait_until(lambda: probe("readinessProbe") == 503, limit=120, what="the pod to be unready, without NATS")
        assert probe("livenessProbe") == 200
        docker("start", nats)
        wait_until(lambda: probe("readinessProbe") == 200, limit=120, what="the pod to be ready again")
        docker("stop", "--time", str(pod["terminationGracePeriodSeconds"]), worker)
        assert docker("inspect", "--format", "{{.State.ExitCode}}", worker) == "0"
    finally:
        for one in filter(None, (worker, nats)):
            subprocess.run(["docker", "rm", "--force", one], check=False, capture_output=True, timeout=60)
        subprocess.run(["docker", "network", "rm", network], check=False, capture_output=True, timeout=60)
