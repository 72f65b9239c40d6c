"""Every bad setting stops the start with one clear line; every good one is taken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from tests.smoke.conftest import SUBJECT, StartWorker, natsgen

pytestmark = pytest.mark.slow  # tests/runtime proves them without a process for each

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
    ("DEDUP", "memory", "'none', 'nats-kv' or 'redis'"),
    ("SERVICE_NAME", "my service", "match pattern"),
    ("NATS_URL", "ftp://host", "takes addresses such as nats://host:4222"),
    ("NATS_URL", "nats://host:port", "takes addresses such as nats://host:4222"),
    ("NATS_URL", ",", "takes addresses such as nats://host:4222"),
    ("NATS_CREDS_FILE", "/nowhere/creds", "does not point to a file"),
    ("NATS_TLS_CERT", "/nowhere/cert.pem", "does not point to a file"),
    ("NATS_PASSWORD_FILE", "/nowhere/password", "cannot be read"),
    ("NATS_PASSWORD", "alone", "NATS_USER and NATS_PASSWORD go together"),
]
BAD_OF_PACKAGES = [
    ("ACTION_PREFIX", "a..b", "match pattern"),
    ("DEDUP_TTL", "0", "greater than or equal to 1"),
    ("DEDUP_UNAVAILABLE", "panic", "'wait' or 'handle'"),
    ("PUBLISH_INTERVAL", "0", "greater than 0"),
    ("QUEUE_GROUP", "my workers", "match pattern"),
    ("TASK_QUEUE_MAX", "-1", "greater than or equal to 0"),
    ("TENANT", "acme.other", "match pattern"),
]


@pytest.fixture(scope="module")
def with_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service with every package that has settings, but for that of a gateway."""
    workspace = tmp_path_factory.mktemp("workspace")
    words = ["--subject", SUBJECT, "--action", "quote", "--queue", "emails", "--dedup", "nats-kv", "--with", "tenancy"]
    words += ["--data", "publishers={beat: events.beat}", "--data", "subscribers={heard: events.heard}"]
    natsgen(workspace, "new", "worker", "billing", *words)
    service = workspace / "services" / "billing"
    handler = service / "src/domain/handlers/order_created_handler.py"
    handler.write_text(f"{handler.read_text()}\nfrom src.toolkit import tenancy as tenancy\n")
    return service


@pytest.mark.parametrize(("name", "value", "takes"), BAD)
def test_a_bad_setting_is_named_with_what_it_got_and_takes(
    generated: Path, service_python: Path, tmp_path: Path, name: str, value: str, takes: str
) -> None:
    refused(generated, service_python, tmp_path, name, value, takes)


@pytest.mark.parametrize(("name", "value", "takes"), BAD_OF_PACKAGES)
def test_a_bad_setting_of_a_package_is_named_too(
    with_packages: Path, service_python: Path, tmp_path: Path, name: str, value: str, takes: str
) -> None:
    refused(with_packages, service_python, tmp_path, name, value, takes)


def refused(service: Path, python: Path, log_folder: Path, name: str, value: str, takes: str) -> None:
    """Checks that a service with this setting ends with one line about it."""
    worker = GeneratedService(service, python=python, log_folder=log_folder, settings={name: value})
    worker.launch()

    code = worker.process.wait(20)

    errors = worker.process.error_lines()
    assert code == 2
    assert len(errors) == 1, errors
    assert errors[0].startswith("invalid setting ")
    assert name in errors[0]
    assert takes in errors[0]


@pytest.mark.parametrize(
    "content",
    ["LOG_LEVEL=INFO\n".encode("utf-16-le") + b"\x00\xd8", "# \u201cx\u201d\nLOG_LEVEL=INFO\n".encode("cp1252")],
)
@pytest.mark.parametrize("name", [".env", "NATS_PASSWORD_FILE"])
def test_a_file_that_is_not_utf_8_is_one_clear_line(
    service: Path, service_python: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    file = service / ".env" if name == ".env" else tmp_path / "secret"
    file.write_bytes(content)
    settings = {} if name == ".env" else {"NATS_USER": "w", name: str(file)}
    worker = GeneratedService(service, python=service_python, log_folder=tmp_path, settings=settings)
    worker.launch()

    code = worker.process.wait(60)

    errors = worker.process.error_lines()
    assert (code, len(errors)) == (2, 1), errors
    assert file.name in errors[0]


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
        worker.process.wait_for_line("Authorization", limit=30)

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


def test_the_readme_of_a_package_names_its_settings(with_packages: Path) -> None:
    source = with_packages / "src"
    files = [*source.glob("*/settings.py"), *source.glob("*/*/settings.py"), source / "toolkit/tenancy.py"]
    packages = {file.parent: re.findall(r"^    ([A-Z_]+): .*Field\(", file.read_text(), re.MULTILINE) for file in files}

    named = {name for names in packages.values() for name in names}
    assert named >= {name for name, _, _ in BAD_OF_PACKAGES}
    for package, names in packages.items():
        for name in names:
            assert f"`{name}`" in (package / "README.md").read_text(), f"{package.name} does not say what {name} is"
