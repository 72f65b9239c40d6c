"""Deliberate faults in copies of the template, and the step of `natsgen smoke` that has to name each of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SERVICE = "template/services/{{ service_name }}"
COMPOSE = "template/compose/{{ service_name }}.yml.jinja"
HANDLER = (
    f"{SERVICE}/src/domain/handlers/{{% yield handler from handlers %}}{{% if not handlers[handler].batch %}}"
    "{{ handler }}_handler.py{% endif %}{% endyield %}.jinja"
)
FASTAPI_ROUTE = (
    f"{SERVICE}/src/web/routes/{{% yield route from routes %}}{{% if framework == 'fastapi' %}}"
    "{{ route }}_route.py{% endif %}{% endyield %}.jinja"
)
TASK = f"{SERVICE}/src/domain/tasks/{{% yield task from tasks %}}{{{{ task }}}}_task.py{{% endyield %}}.jinja"
ANSWERS = "template/{{ _copier_conf.answers_file }}.jinja"
DOCKERFILE = f"{SERVICE}/Dockerfile.jinja"
REQUIREMENTS = f"{SERVICE}/requirements.txt.jinja"


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        step: the step that has to name it.
        says: a part of what is said about it.
        edits: in which file what is replaced: the path, the old text, which is there once, and the new one.
        sample: the sample that shows it.
        after: steps that are to be done before, beside those that the step needs anyway.
    """

    step: str
    says: str
    edits: tuple[tuple[str, str, str], ...]
    sample: str = "worker"
    after: tuple[str, ...] = ()

    def commit(self, template: Path) -> None:
        """Puts the fault into a copy of the template."""
        for path, old, new in self.edits:
            file = template / path
            text = file.read_text(encoding="utf-8")
            assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}: bring the fault up to date"
            file.write_text(text.replace(old, new), encoding="utf-8")


def _src(path: str) -> str:
    return f"{SERVICE}/src/{path}"


FAULTS: dict[str, Fault] = {
    # seen in the files
    "broken template": Fault(
        "generate", "'nothing' is undefined", ((f"{SERVICE}/.env.example.jinja", "# Copy", "# {{ nothing.here }}"),)
    ),
    "missing requirement": Fault(
        "environment", "cannot create the environment", ((REQUIREMENTS, "structlog==", "lost=="),)
    ),
    "unpinned version": Fault(
        "environment", "cannot create the environment", ((REQUIREMENTS, "aiohttp==", "aiohttp>="),)
    ),
    "unpinned hash": Fault(
        "environment", "cannot create the environment", ((REQUIREMENTS, "structlog==", "six==1.17.0\nstructlog=="),)
    ),
    "root user in the image": Fault("dockerfile", "runs as root", ((DOCKERFILE, "USER 10001:10001\n", ""),)),
    "no health check": Fault("dockerfile", "no HEALTHCHECK", ((DOCKERFILE, "HEALTHCHECK --interval", "# --interval"),)),
    "careless Dockerfile": Fault(
        "hadolint", "hadolint found", ((DOCKERFILE, "EXPOSE 8080", "RUN sudo true\nEXPOSE 8080"),)
    ),
    "YAML indentation": Fault("compose", "is not a YAML", ((COMPOSE, "    restart: unless", "   restart: unless"),)),
    "unknown key in compose": Fault("compose config", "Compose rejects", ((COMPOSE, "    restart:", "    retry:"),)),
    "no time to stop": Fault("compose", "is 5 s", ((COMPOSE, "stop_grace_period: 45s", "stop_grace_period: 5s"),)),
    "wrong name in compose": Fault("compose", "sets NATS_URI", ((COMPOSE, "NATS_URL:", "NATS_URI:"),)),
    "wrong hash": Fault(
        "environment",
        "cannot create the environment",
        ((REQUIREMENTS, "structlog==", f"six==1.17.0 --hash=sha256:{'0' * 64}\nstructlog=="),),
    ),
    "syntax error": Fault(
        "ruff",
        "ruff found something",
        ((_src("infrastructure/subscription.py"), "import random", "import"),),
    ),
    "missing import": Fault(
        "ruff",
        "ruff found something",
        ((HANDLER, "from src.utils.logging import logger\n", ""),),
    ),
    "careless layout": Fault("format", "would reformat", ((HANDLER, "    logger.info(", "    logger . info("),)),
    "wrong type": Fault(
        "mypy",
        "mypy found",
        ((_src("infrastructure/subscription.py"), "return delay *", 'return "soon" and delay *'),),
    ),
    "failing test": Fault(
        "tests",
        "one of its own tests failed",
        ((f"{SERVICE}/tests/conftest.py", "\nimport pytest\n", "\nimport pytest\nimport pytests\n"),),
    ),
    # seen when it runs
    "crash at start": Fault(
        "start",
        "ended with exit code 1",
        ((_src("main.py"), "    worker.check()\n", '    worker.check()\n    int("x")\n'),),
    ),
    "wrong environment name": Fault(
        "ready",
        "not connected to NATS",
        (
            (
                _src("config.py"),
                '"nats://localhost:4222", description',
                '"nats://localhost:9", alias="NATS_ADDRESS", description',
            ),
        ),
    ),
    "never ready": Fault(
        "ready",
        "starting",
        ((_src("infrastructure/worker.py"), "if first or not self._prepared:", "if first or self.runners:"),),
    ),
    "handler not found": Fault(
        "parts",
        "the handler everything, order_any, order_created was not found",
        ((_src("infrastructure/worker.py"), "in files:", 'in files[: 0 if name == "handlers" else None]:'),),
        "worker-with-actions",
    ),
    "TTL never passed": Fault(
        "consul",
        "reports it as critical",
        (
            (
                _src("infrastructure/consul_client.py"),
                '"passing" if self._readiness()[0] else "critical"',
                '"critical"',
            ),
            (
                _src("infrastructure/consul_client.py"),
                'if not await tell(f"service:{self.service_id}", reason)',
                "if not tell",
            ),
        ),
    ),
    "TTL passed once": Fault(
        "heartbeat",
        "reports it as critical",
        ((_src("infrastructure/consul_client.py"), "time.monotonic() >= due:", "time.monotonic() >= due + 60:"),),
    ),
    "wrong subject": Fault(
        "events",
        "no stream captures orders.order.created",
        (("includes/subscriber.jinja", "['\"' ~ spec", "['\"wrong.' ~ spec"),),
    ),
    "ack forgotten": Fault(
        "events",
        "20 unacknowledged events",
        (
            (
                _src("infrastructure/delivery.py"),
                "message.settle(ACK)",
                "message.settled = True",
            ),
        ),
    ),
    "handler that fails": Fault(
        "events", "has handled 0 of", ((HANDLER, "    logger.info(", "    raise ValueError\n    logger.info("),)
    ),
    "silent action": Fault(
        "requests",
        "no answer on",
        (
            (
                _src("actions/runner.py"),
                "        self._nats.answer(raw.reply, payload, headers)\n",
                "        del payload\n",
            ),
        ),
        "service",
    ),
    "result that nobody learns": Fault(
        "tasks",
        "its stored result is nothing",
        ((_src("tasks/results.py"), "return seconds if 1 <= seconds < 1e9", "return seconds if seconds < 1"),),
        "task-worker",
    ),
    "task that fails": Fault(
        "tasks",
        "tasks of the queue emails; its last error: ZeroDivisionError",
        ((TASK, "    logger.info(", "    1 / 0\n    logger.info("),),
        "task-worker",
    ),
    "number left out": Fault(
        "publishers",
        "skips or repeats numbers: [2, 4, 6",
        (
            (
                _src("pubsub/publishers/runner.py"),
                "tick = Tick(self._sequence + 1",
                "tick = Tick(self._sequence + 2",
            ),
        ),
        "publisher",
    ),
    "publisher of nothing": Fault(
        "publishers",
        "received fewer than 3 messages of the publisher taken",
        (
            (
                _src("pubsub/publishers/runner.py"),
                "            await Elsewhere(self._nats).publish(subject, made, message_id=identity)",
                "            pass",
            ),
        ),
        "publisher",
    ),
    "subscriber that hears something else": Fault(
        "subscribers",
        "taken has heard 0 of 20 messages on readings.reading.taken",
        (
            (
                _src("pubsub/subscribers/runner.py"),
                "super().__init__(nats, subscriber.subject",
                'super().__init__(nats, "wrong." + subscriber.subject',
            ),
        ),
        "subscriber",
    ),
    "route that leads elsewhere": Fault(
        "http",
        "POST /greet answered 503, not 200",
        (("includes/route.jinja", 'nats.call(\n        "{{', 'nats.call(\n        "wrong.{{'),),
        "gateway-fastapi",
    ),
    "wrong status": Fault(
        "http",
        "PUT /orders/{order_id} answered 201, not 202",
        ((FASTAPI_ROUTE, "status_code=202", "status_code=201"),),
        "gateway-fastapi",
    ),
    "inbox that forgets": Fault(
        "inbox",
        "did not recognize the repeated event",
        ((_src("inbox/kv_inbox.py"), "return Claim.DONE", "return Claim.TAKEN"),),
        "worker-with-actions",
    ),
    "dead letter lost": Fault(
        "dead letter",
        "stored no dead letter",
        (
            (
                _src("infrastructure/dead_letters.py"),
                '        await self._nats.publish(f"dlq.{self._nats.service}.{message.handler}", data, headers)\n',
                "",
            ),
        ),
    ),
    "log line that is not JSON": Fault(
        "logs",
        "is not a JSON object: 'here'",
        ((_src("main.py"), "    worker.check()\n", '    worker.check()\n    print("here")\n'),),
    ),
    "log line without its service": Fault(
        "logs", "a line has the service ''", ((_src("utils/logging.py"), '"service": service,', '"service": "",'),)
    ),
    "metrics that cannot be read": Fault(
        "metrics",
        "text format",
        (
            (
                _src("infrastructure/http_server.py"),
                "generate_latest()),",
                "generate_latest()[7:]),",
            ),
        ),
    ),
    "broken health check": Fault(
        "health", "exits with 1", ((_src("utils/health_check.py"), '"/healthz")', '"/health")'),)
    ),
    "shutdown ignored": Fault(
        "stop",
        "it did not stop within",
        ((_src("main.py"), "        if not future.done():", "        if False:"),),
    ),
    "wrong exit code": Fault(
        "stop", "exited with code 3", ((_src("main.py"), "    sys.exit(code)", "    sys.exit(code or 3)"),)
    ),
    "not deregistered": Fault(
        "stop",
        "it to deregister from Consul",
        (
            (
                _src("infrastructure/consul_client.py"),
                "await self._client.agent.service.deregister(self.service_id)",
                "pass",
            ),
        ),
        after=("consul",),
    ),
    # seen when it is updated, and when it grows
    "file that is never updated": Fault(
        "update",
        "after the update these files differ from a new service's: services/worker-",
        (("copier.yml", "  - compose/redis.yml\n", "  - compose/redis.yml\n  - services/*/src/main.py\n"),),
    ),
    "answers that are not kept": Fault(
        "update",
        "the update from an earlier version failed",
        ((ANSWERS, "{{ _copier_answers |", "{{ {} |"),),
    ),
    "task not found": Fault(
        "grown run",
        "the task smoke_added_work was not found by the service",
        ((_src("infrastructure/worker.py"), "in files:", 'in files[: 0 if name == "tasks" else None]:'),),
    ),
    "careless added handler": Fault(
        "grown ruff",
        "ruff found something",
        ((HANDLER, "from src.utils.logging", '{{ "import os\n" if handler == "smoke_added" }}from src.utils.logging'),),
    ),
}
