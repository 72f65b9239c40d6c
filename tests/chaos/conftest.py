"""The short form of the rows: the same code as the long form, with fewer events and one seed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from natsgen.harness.programs import find_program
from tests.chaos.access import Certificates
from tests.chaos.fleet import generate_services
from tests.chaos.report import line_of
from tests.chaos.rows import Row
from tests.chaos.run import SHORT, run_row
from tests.chaos.verdict import Outcome

SEED = 1

CORE = ("worker-killed", "server-killed", "poison")
"""The rows of the short run: a fault of the worker, one of the server, one of messages. All take ten minutes."""

Prove = Callable[[Row], Outcome]


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated service that every row takes a copy of."""
    return generate_services(tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def prove(generated: Path, tmp_path: Path) -> Prove:
    """Runs a row in its short form."""

    def run(row: Row) -> Outcome:
        outcome = asyncio.run(run_row(row, SEED, SHORT, generated, tmp_path))
        print(line_of(row, SEED, outcome))
        return outcome

    return run


def _programs(row: Row) -> list[str]:
    """The programs that a row needs beside those of the other rows."""
    needs = {"cc": bool(row.surroundings and row.surroundings.clock), "openssl": row.access is Certificates}
    return [name for name, needed in needs.items() if needed]


def each(rows: Iterable[Row]) -> list[object]:
    """The rows as parameters, each marked with the parts that it needs, and slow if the short run goes without it."""
    return [
        pytest.param(
            row,
            id=row.name,
            marks=[
                *([] if row.name in CORE else [pytest.mark.slow]),
                *([pytest.mark.consul] if row.consul else []),
                *([pytest.mark.redis] if row.dedup == "redis" else []),
                *(pytest.mark.skipif(not find_program(name), reason=f"no `{name}`") for name in _programs(row)),
            ],
        )
        for row in rows
    ]
