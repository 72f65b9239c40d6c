"""The invoices, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from prometheus_client import Counter

INVOICES = Counter("billing_invoices", "Invoices that were written")
_TABLE = "CREATE TABLE IF NOT EXISTS invoices (event TEXT PRIMARY KEY, order_id TEXT NOT NULL, amount TEXT NOT NULL)"


@dataclass(frozen=True)
class Invoices:
    """The invoices in a file. Its methods block, so call them in a thread."""

    file: Path

    @classmethod
    def create(cls, file: Path) -> Invoices:
        """Return the invoices in a file, which is made if it is missing."""
        with closing(sqlite3.connect(file)) as database, database:
            database.execute(_TABLE)
        return cls(file)

    def write(self, event: str, order: str, amount: Decimal) -> None:
        """Write the invoice of an event; it is written once, however often the event comes."""
        with self._open() as database:
            written = database.execute(
                "INSERT INTO invoices VALUES (?, ?, ?) ON CONFLICT (event) DO NOTHING", (event, order, str(amount))
            )
            INVOICES.inc(written.rowcount)

    def count(self) -> int:
        """Return how many invoices there are."""
        with self._open() as database:
            return int(database.execute("SELECT count(*) FROM invoices").fetchone()[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file in a transaction; it must be there."""
        with closing(sqlite3.connect(f"file:{self.file}?mode=rw", uri=True)) as database, database:
            yield database
