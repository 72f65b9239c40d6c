"""The benchmark of actions: what the client counts, and what is made of the figures."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.actions import ACTION, BARE, MICRO, section
from benchmarks.requests import CONNECT, Figures, Requester

ANSWER = b"MSG bench.i 1 5\r\nhello\r\n"
REQUEST = b"PUB v1.bench.greet bench.i 2\r\n{}\r\n"


class Wire(asyncio.Transport):
    """Keeps what is written to it: no socket is needed to count."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def requester(wire: Wire) -> Requester:
    requester = Requester("v1.bench.greet", b"{}", 2)
    requester.connection_made(wire)
    assert wire.written == CONNECT
    wire.written = b""
    return requester


def test_it_keeps_as_many_requests_open_as_it_is_told(requester: Requester, wire: Wire) -> None:
    requester.begin()
    assert wire.written == REQUEST * 2

    requester.data_received(ANSWER * 2)

    assert requester.answered == 2
    assert wire.written == REQUEST * 4


@pytest.mark.parametrize("size", range(1, len(ANSWER) + 1))
def test_answers_that_come_in_pieces_are_counted_once(requester: Requester, wire: Wire, size: int) -> None:
    data = ANSWER * 3
    for start in range(0, len(data), size):
        requester.data_received(data[start : start + size])

    assert requester.answered == 3
    assert wire.written == REQUEST * 3


def test_that_nobody_answers_is_no_answer_and_the_end(requester: Requester, wire: Wire) -> None:
    requester.data_received(b"HMSG bench.i 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n")

    assert (requester.answered, wire.written, wire.closed) == (0, b"", True)


def test_it_answers_the_server_s_pings(requester: Requester, wire: Wire) -> None:
    requester.data_received(b"PING\r\n")

    assert wire.written == b"PONG\r\n"


def test_the_section_says_rates_costs_and_ratios() -> None:
    measured = {
        100: {
            ACTION: [Figures(8_000, 20.0), Figures(9_000, 22.0)],
            BARE: [Figures(10_000, 10.0), Figures(10_000, 10.0)],
            MICRO: [Figures(16_000, 12.0), Figures(9_000, 12.0)],
        }
    }

    text = section(measured, 2)

    assert f"| 100 open: {ACTION} | 8,500 (8,000 to 9,000) | 21.0 (20.0 to 22.0) |  |" in text
    assert f"| 100 open: {BARE} | 10,000 (10,000 to 10,000) | 10.0 (10.0 to 10.0) | 0.85 (0.80 to 0.90) |" in text
    assert f"| 100 open: {MICRO} |" in text
    assert "0.75 (0.50 to 1.00) |" in text
