"""Every bad setting stops the start with one clear line; every good one is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from tests.smoke.conftest import StartWorker

BAD = [
    ("HTTP_PORT", "abc", "valid integer"),
    ("HTTP_PORT", "70000", "less than or equal to 65535"),
    ("CONSUL_PORT", "0", "greater than or equal to 1"),
    ("CONSUL_TTL", "1", "greater than or equal to 3"),
    ("CONSUL_ENABLED", "perhaps", "valid boolean"),
    ("LOG_LEVEL", "chatty", "'DEBUG', 'INFO'"),
    ("LOG_FORMAT", "xml", "'auto', 'json' or 'console'"),
    ("GRACEFUL_SHUTDOWN_TIMEOUT", "0", "greater than 0"),
    ("GRACEFUL_SHUTDOWN_TIMEOUT", "soon", "valid number"),
    ("STREAM_MODE", "maybe", "'create', 'verify' or 'off'"),
    ("STREAM_REPLICAS", "7", "less than or equal to 5"),
    ("TENANT", "acme.other", "match pattern"),
    ("TASK_QUEUE_MAX", "-1", "greater than or equal to 0"),
    ("DEDUP", "memory", "'none', 'nats-kv' or 'redis'"),
    ("DEDUP_TTL", "0", "greater than or equal to 1"),
    ("PUBLISH_INTERVAL", "0", "greater than 0"),
    ("QUEUE_GROUP", "my workers", "match pattern"),
    ("SERVICE_NAME", "my service", "match pattern"),
    ("NATS_URL", "ftp://host", "takes addresses such as nats://host:4222"),
    ("NATS_URL", "nats://host:port", "takes addresses such as nats://host:4222"),
    ("NATS_URL", ",", "takes at least one address"),
    ("NATS_CREDS_FILE", "/nowhere/creds", "cannot"),
    ("NATS_TLS_CERT", "/nowhere/cert.pem", "cannot"),
    ("NATS_PASSWORD_FILE", "/nowhere/password", "cannot be read"),
    ("NATS_PASSWORD", "alone", "NATS_USER and NATS_PASSWORD go together"),
]


@pytest.mark.parametrize(("name", "value", "takes"), BAD)
def test_a_bad_setting_is_named_with_what_it_got_and_takes(
    generated: Path, service_python: Path, tmp_path: Path, name: str, value: str, takes: str
) -> None:
    worker = GeneratedService(generated, python=service_python, log_folder=tmp_path, settings={name: value})
    worker.launch()

    code = worker.process.wait(20)

    errors = worker.process.error_lines()
    assert code == 2
    assert len(errors) == 1, errors
    assert errors[0].startswith("bad setting ")
    assert name in errors[0]
    assert takes in errors[0]


def test_a_secret_is_never_shown(generated: Path, service_python: Path, tmp_path: Path) -> None:
    worker = GeneratedService(
        generated, python=service_python, log_folder=tmp_path, settings={"NATS_URL": "ftp://u:hunter2@host"}
    )
    worker.launch()

    assert worker.process.wait(20) == 2
    assert "hunter2" not in "".join(worker.process.error_lines())


def test_a_port_that_is_taken_is_one_clear_line(
    nats_server: NatsServer, start_worker: StartWorker, service: Path, service_python: Path, tmp_path: Path
) -> None:
    taken = str(nats_server.port)
    worker = GeneratedService(service, python=service_python, log_folder=tmp_path, settings={"HTTP_PORT": taken})
    worker.launch()

    assert worker.process.wait(20) == 2
    assert f"cannot listen on 127.0.0.1:{taken}" in worker.log_records()[-1]["message"]
    assert not any("Traceback" in line for line in worker.process.error_lines())


def test_a_password_from_a_file_and_a_token_are_accepted(tmp_path: Path, start_worker: StartWorker) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    users = "authorization { user: billing, password: s3cret }"
    with NatsServer(tmp_path / "nats-users", configuration=users) as server:
        start_worker("by-file", NATS_URL=server.url, NATS_USER="billing", NATS_PASSWORD_FILE=str(secret))
    with NatsServer(tmp_path / "nats-token", configuration="authorization { token: t0ken }") as server:
        start_worker("by-token", NATS_URL=server.url, NATS_TOKEN="t0ken")


def test_wrong_credentials_are_reported_and_waited_out(tmp_path: Path, start_worker: StartWorker) -> None:
    users = "authorization { user: billing, password: s3cret }"
    with NatsServer(tmp_path / "nats-users", configuration=users) as server:
        worker = start_worker(ready=False, NATS_URL=server.url, NATS_USER="billing", NATS_PASSWORD="wrong")
        worker.process.wait_for_line("Authorization", limit=10)

        assert worker.get("/readyz").status == 503
        assert worker.process.running
        assert worker.stop().exit_code == 0


def test_the_readme_lists_every_setting(generated: Path, service_python: Path) -> None:
    from natsgen.harness.commands import run

    program = "from src.config import Settings; print(*Settings.model_fields)"
    settings = run([service_python, "-c", program], limit=20, folder=generated).output.split()
    table = (generated / "README.md").read_text()
    documented = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `") and line[3].isupper()]

    assert documented == settings
