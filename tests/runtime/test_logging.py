"""The form of the logs, which dashboards and alerts rely on."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from nats.aio.msg import Msg
from pydantic import SecretStr

from src.config import settings
from src.infrastructure.errors import describe
from src.infrastructure.message import Message
from src.utils.logging import BackgroundHandler, configure_logging, logger
from tests.runtime.conftest import SERVICE


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(capsys).splitlines()]


def written(capsys: pytest.CaptureFixture[str]) -> str:
    logging.getLogger().handlers[0].flush()
    return capsys.readouterr().out


def test_a_line_is_one_json_object_with_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("billing", "INFO", "json")

    logger.warning("two\nlines", amount=3, odd=object)

    (record,) = logged(capsys)
    assert list(record)[:7] == ["timestamp", "level", "logger", "message", "service", "module", "function"]
    assert (record["level"], record["message"], record["service"]) == ("WARNING", "two\nlines", "billing")
    assert record["module"] == "test_logging"
    assert record["function"].startswith("test_a_line_is")
    assert record["timestamp"].endswith("Z")
    assert record["amount"] == 3


def test_libraries_log_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("billing", "INFO", "auto")

    logging.getLogger("some.library").error("failed: %s", "why")

    (record,) = logged(capsys)
    assert (record["logger"], record["message"], record["service"]) == ("some.library", "failed: why", "billing")


def test_a_logger_of_ones_own_says_the_same_and_goes_where_its_owner_has_it_go(
    capsys: pytest.CaptureFixture[str], own_logger: logging.Logger
) -> None:
    configure_logging("billing", "INFO", "json")
    kept: list[str] = []
    own_logger.addHandler(Keeping(kept))
    own_logger.setLevel("DEBUG")

    own_logger.debug("charged %s", "7 EUR", extra={"never": "mind"})
    structlog.stdlib.get_logger("billing.audit").info("refunded", amount=7)

    assert [(line["logger"], line["message"]) for line in logged(capsys)] == [
        ("billing.audit", "charged 7 EUR"),
        ("billing.audit", "refunded"),
    ]
    assert len(kept) == 2
    assert kept[0] == "charged 7 EUR"


def test_a_handler_of_ones_own_gets_the_workers_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Such as what sends errors to somewhere else."""
    configure_logging("billing", "INFO", "json")
    kept: list[str] = []
    logging.getLogger().addHandler(Keeping(kept, "ERROR"))

    logger.info("all is well")
    logger.error("dead letter", reason="rejected")

    (line,) = kept
    assert "dead letter" in line
    assert len(logged(capsys)) == 2


class Keeping(logging.Handler):
    """Keeps what is logged in a list."""

    def __init__(self, kept: list[str], level: str = "NOTSET") -> None:
        super().__init__(level)
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(record.getMessage())


@pytest.fixture
def own_logger() -> Iterator[logging.Logger]:
    own = logging.getLogger("billing.audit")
    yield own
    own.handlers.clear()
    own.setLevel("NOTSET")


def test_the_message_that_is_handled_is_on_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("billing", "INFO", "json")

    headers = {"Nats-Msg-Id": "m1", "Correlation-Id": "c1", "Causation-Id": "m0", "traceparent": "00-a-b-01"}
    raw = Msg(_client=None, subject="a.b", reply="$JS.ACK.S.c.2.7.9.1700000000000000000.0", headers=headers)  # type: ignore[arg-type]
    message = Message(raw, "order_created", None)  # type: ignore[arg-type]
    message.attempt = 2

    async def called_by_the_handler() -> None:
        logger.info("inside a task")
        await asyncio.to_thread(logger.info, "inside a thread")

    with message.bound():
        logger.info("inside")
        logging.getLogger("some.library").info("inside a library")
        asyncio.run(called_by_the_handler())
    logger.info("outside")

    *inside, outside = logged(capsys)
    bound = {"subject": "a.b", "message_id": "m1", "correlation_id": "c1", "handler": "order_created", "attempt": 2}
    bound |= {"causation_id": "m0", "traceparent": "00-a-b-01"}
    assert len(inside) == 4
    assert all(bound.items() <= line.items() for line in inside)
    assert not bound.keys() & outside.keys()


def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("billing", "INFO", "json")
    try:
        raise ValueError("bad")
    except ValueError:
        logger.exception("it failed")

    (record,) = logged(capsys)
    assert "ValueError: bad" in record["exception"]


def test_less_than_the_level_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("billing", "WARNING", "json")

    logger.info("quiet")

    assert logged(capsys) == []


def test_the_console_form_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("billing", "INFO", "console")

    logger.info("started", port=8080)

    text = written(capsys)
    assert "started" in text
    assert "port=8080" in text
    assert not text.startswith("{")


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class BrokenError(Exception):
    __str__ = Broken.__str__


def endless() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


ODD = {
    "not a number": float("nan"),
    "a number without end": float("-inf"),
    "half a character": "\ud800",
    "an endless list": endless(),
    "a generator": (number for number in range(3)),
    "keys of many types": {1: 2, None: 3, (4, 5): 6, b"7": 8},
    "a number too long for text": 10**5_000,
    "bytes": b"\xff\x00",
    "no text": Broken(),
}


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_no_value_makes_a_call_raise_or_its_line_vanish(
    capsys: pytest.CaptureFixture[str], form: str, value: Any
) -> None:
    configure_logging("billing", "INFO", form)

    logger.warning("of one's own", value=value, level=value, event_=value)
    logging.getLogger("library").warning("of %s", value, extra={"order": value})
    logging.getLogger("library").warning("with one place too few %d", value)
    try:
        raise BrokenError(value)
    except BrokenError:
        logger.exception("with an error")

    text = written(capsys)
    for message in ("of one's own", '"of ' if form == "json" else "of ", "with one place too few", "with an error"):
        assert message in text
    if form == "json":
        assert len([json.loads(line, parse_int=str) for line in text.splitlines()]) == 4


@pytest.mark.parametrize("output", ["/dev/full", "a closed pipe", "no file"])
def test_output_that_fails_ends_nothing(output: str) -> None:
    code = "import sys; from src.utils.logging import *; configure_logging('b', 'INFO', 'json')\n"
    code += "for number in range(20_000): logger.info('x' * 100)\nsys.exit(7)"
    reading, writing = os.pipe()
    os.close(reading)
    with Path("/dev/full").open("wb") as full, os.fdopen(writing, "wb") as closed:
        stdout = {"/dev/full": full, "a closed pipe": closed, "no file": None}[output]
        command = [sys.executable, "-c", code]
        if stdout is None:
            command = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
        done = subprocess.run(command, cwd=SERVICE, stdout=stdout, stderr=subprocess.DEVNULL, timeout=120)

    assert done.returncode in (7, 120)  # 120: Python could not write what was left at its end


def test_output_that_nobody_reads_blocks_nothing_and_what_is_dropped_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BackgroundHandler, "MOST", 200_000)
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader, os.fdopen(writing, "w") as writer:
        monkeypatch.setattr("sys.stdout", writer)
        configure_logging("billing", "INFO", "json")
        started = time.monotonic()
        for number in range(2_000):
            logger.info("x" * 500, number=number)
        assert time.monotonic() - started < 5

        records: list[dict[str, Any]] = []
        while not records or "lines" not in records[-1]:
            records.append(json.loads(reader.readline()))
        *kept, told = records
        assert told["message"].startswith("log lines dropped")
        numbers = [line["number"] for line in kept]
        assert numbers == sorted(set(numbers))  # there is room again as soon as the thread has written some
        assert len(kept) + told["lines"] == 2_000


def test_a_child_of_a_fork_writes_its_lines_itself(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("billing", "INFO", "json")
    logger.info("before")
    logging.getLogger().handlers[0].flush()
    child = os.fork()
    if not child:
        logger.info("in the child")
        os._exit(0)
    os.waitpid(child, 0)

    assert [json.loads(line)["message"] for line in capfd.readouterr().out.splitlines()] == ["before", "in the child"]


def test_secrets_are_in_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("billing", "INFO", "json")
    address = "nats://w:p%40ssword@one:4222"
    type(settings)(NATS_URL=address, NATS_USER="w", NATS_PASSWORD=SecretStr('hun"ter2'))

    error = ConnectionError('cannot log in with hun"ter2 or p@ssword')
    try:
        raise error
    except ConnectionError:
        logger.exception("failed", url=address)

    text = written(capsys)
    assert "hun" not in text
    assert "ssword" not in text
    assert describe(error) == "ConnectionError: cannot log in with [secret] or [secret]"


def test_control_characters_do_not_reach_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("billing", "INFO", "console")
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        logger.exception("forged\nline", subject="a\x07b\x9b")

    text = written(capsys)
    assert "forged\\x0aline" in text
    assert "\nValueError: \\x1b[2J" in text
    assert not set("\x1b\x07\x9b") & set(text)
