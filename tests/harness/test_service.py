"""A generated service as a process.

The service here is a stand-in with the same contract (settings, endpoints, log lines), so that these tests need neither
the template nor its dependencies. The generated service itself is run in the smoke tests.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from natsgen.harness.errors import HarnessError, ProcessDied, WaitTimeout
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.harness_tools.readiness import wait_ready

Owner = Callable[..., tuple[subprocess.Popen[str], str]]
Make = Callable[..., GeneratedService]

STAND_IN = '''
import http.server, json, os, signal, sys, threading, time

ready_at = time.monotonic() + float(os.environ.get("READY_AFTER", "0"))
ANSWERS = {
    "/healthz": "alive",
    "/stats": json.dumps({"environment": sorted(os.environ)}),
    "/metrics": """# HELP events_total Events.
# TYPE events_total counter
events_total{handler="order_created",error="it said \\\\"no\\\\" {}"} 10000.0
events_seconds_bucket{le="+Inf"} 3
up 1
""",
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = (200, ANSWERS[self.path]) if self.path in ANSWERS else (404, "not found")
        if self.path == "/readyz":
            status, body = (200, "ready") if time.monotonic() >= ready_at else (503, "not connected")
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments):
        pass


def log(message, **more):
    print(json.dumps({"level": "INFO", "message": message, **more}), flush=True)


if os.environ.get("BROKEN"):
    print("BROKEN: takes nothing", file=sys.stderr)
    sys.exit(1)
server = http.server.ThreadingHTTPServer((os.environ["HTTP_HOST"], int(os.environ["HTTP_PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
log("starting")
log("http server started", port=server.server_port)
print("a word on standard error", file=sys.stderr)
if os.environ.get("PRINTS"):
    print("not JSON", flush=True)
server.serve_forever()
log("stopped")
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sources = tmp_path / "services" / "stand-in" / "src"
    sources.mkdir(parents=True)
    (sources / "__init__.py").touch()
    (sources / "main.py").write_text(STAND_IN)
    return sources.parent


@pytest.fixture
def service(folder: Path, tmp_path: Path) -> Make:
    def make(settings: Mapping[str, str] | None = None) -> GeneratedService:
        return GeneratedService(folder, python=sys.executable, log_folder=tmp_path / "logs", settings=settings)

    return make


def test_is_started_on_a_free_port_and_answers(service: Make) -> None:
    with service() as one, service() as other:
        assert one.port != other.port
        assert one.get("/healthz") == (200, "alive")
        assert one.get("/nowhere").status == 404


def test_gets_its_settings_and_a_minimal_environment(service: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "nats://somewhere-else:4222")
    with service({"LOG_LEVEL": "DEBUG"}) as running:
        names = set(running.stats()["environment"])
    assert {"LOG_LEVEL", "HTTP_HOST", "HTTP_PORT", "PATH"} <= names
    assert "NATS_URL" not in names


def test_readiness_is_waited_for(service: Make) -> None:
    with service({"READY_AFTER": "0.3"}) as running:
        assert running.get("/readyz") == (503, "not connected")
        wait_ready(running, 10)
        assert running.get("/readyz").status == 200


def test_the_reason_for_not_being_ready_is_told(service: Make) -> None:
    with (
        service({"READY_AFTER": "60"}) as running,
        pytest.raises(WaitTimeout, match=r"(?s)not connected.*http server started"),
    ):
        wait_ready(running, 0.1)


def test_metrics_are_read(service: Make) -> None:
    with service() as running:
        assert running.metrics() == {
            r'events_total{handler="order_created",error="it said \"no\" {}"}': 10000.0,
            'events_seconds_bucket{le="+Inf"}': 3.0,
            "up": 1.0,
        }


def test_log_records_are_those_of_standard_output(service: Make) -> None:
    with service() as running:
        running.stop()
    assert [record["message"] for record in running.log_records()] == ["starting", "http server started", "stopped"]
    assert running.process.error_lines() == ["a word on standard error"]


def test_a_line_that_is_no_json_is_an_error(service: Make) -> None:
    with service({"PRINTS": "1"}) as running:
        wait_until(lambda: len(running.process.lines()) == 3, limit=30, what="the third line")
        with pytest.raises(HarnessError, match="line 3 of the log of stand-in is not a JSON object: 'not JSON'"):
            running.log_records()


def test_stops_in_order_and_tells_how_long_it_took(service: Make) -> None:
    with service() as running:
        stopped = running.stop()
    assert (stopped.exit_code, stopped.forced) == (0, False)
    assert 0 < stopped.seconds < 5


def test_can_be_killed_and_started_again(service: Make) -> None:
    with service() as running:
        running.kill()
        assert running.process.returncode == -signal.SIGKILL
        running.start()
        assert running.get("/healthz").status == 200


def test_a_service_that_refuses_to_start_fails_at_once_with_its_words(service: Make) -> None:
    with pytest.raises(ProcessDied, match=r"(?s)exit code 1.*BROKEN: takes nothing"):
        service({"BROKEN": "1"}).start()


def test_a_refusal_to_start_can_be_looked_at(service: Make) -> None:
    refusing = service({"BROKEN": "1"})
    refusing.launch()
    assert refusing.process.wait(10) == 1
    assert refusing.process.error_lines() == ["BROKEN: takes nothing"]


def test_a_killed_owner_leaves_no_service(
    folder: Path, tmp_path: Path, owner: Owner, runs: Callable[[int], bool]
) -> None:
    program = """
        import signal, sys
        from pathlib import Path
        from natsgen.harness.service import GeneratedService

        with GeneratedService(Path(sys.argv[1]), python=sys.executable, log_folder=Path(sys.argv[2])) as service:
            print(service.process.pid, flush=True)
            signal.pause()
    """
    process, line = owner(program, folder, tmp_path)
    assert runs(int(line))
    process.kill()
    wait_until(lambda: not runs(int(line)), limit=30, what="the service to be killed")
