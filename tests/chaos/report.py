"""The table of all rows, for people."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.rows import DEAD_SERVER, LEADER, ROWS, Row
from tests.chaos.verdict import Outcome
from tests.harness_tools.versions import installed_versions, machine, nats_server_version

SEEDS = (1, 2, 3)

TEXT = f"""\
## Faults

{{published:,}} events, {{rows}} rows. {{verdict}}

Each row is a generated worker on a real NATS server, or on three of them with replicated streams, with a publisher
that sends events of 50 aggregates at a steady rate, and a fault in the middle. Its events are shared out to the seeds
1, 2 and 3, which choose the moments and the failing events; numbers are sums, times are the worst. `make chaos
ROW=<row>` repeats a row and writes its line here anew, and `make chaos ROW=<row> SEED=2` repeats one of its three runs.

- *inbox*: `DEDUP`. *published*: events whose stream confirmed them; only those count.
- *effects*: different events whose handler's effect is there: an event published with `message.publish`, and a line
  in a file. *twice*: effects that are in their stream more than once.
- *again*: events that the handler finished more than once. Without an inbox that is what at least once means. With one
  it happens only where a worker is killed between its handler's end and the note of it: at most `concurrency` (10, in
  handler-crashes 1) events a kill.
- *letters*: dead letters; exactly those that the row's events ask for, with reason and payload.
- *lost*: events with neither effect nor dead letter.
- *stall*: the longest time without a handled event while there was something to handle, in seconds. The limit is
  {DEAD_SERVER:g} s (two heartbeats and 2 s), and {LEADER:g} s where a leader steps down or nothing that the worker
  needs is touched. fleet-frozen has 15 s, of which the server is frozen for 10; in backlog-1mb the worker is stopped
  until most events are published.
- *oldest*: the longest time from an event's first offer to the end of its handler, in seconds. What a server had sent
  into a dying connection, or to a worker that was killed, comes again after `ack_wait`. The handlers here have an
  `ack_wait` of 4 s (handler-crashes and killers 2, slow-handler 3, restarts and rolling-restart 30); the default is
  30 s.
- *run*: when the row ran last, on which commit, and how many processes wanted the processors meanwhile. Where that is
  far above the number of processors, times say more of the machine than of the worker.

{{table}}

Last run: nats-server {{server}}, nats-py {{client}}, Python {{python}}, {{machine}}.

What no worker can promise: a server confirms an event before it is on the disk. By default it writes to the disk every
two minutes (`sync_interval` of JetStream), so a power failure can take what was confirmed since, on one server. Three
replicas on machines that do not fail together keep it; so does `sync_interval: always`, which costs throughput. The
faults above kill processes, not machines.
"""

HEADING = "**Promises that did not hold:**"

COLUMNS = (
    "row",
    "fault",
    "inbox",
    "published",
    "effects",
    "twice",
    "again",
    "letters",
    "lost",
    "stall",
    "oldest",
    "run",
)


def line_of(row: Row, seed: int, outcome: Outcome) -> str:
    """One run on one line, as it is printed when it has ended."""
    return f"{'ok' if not outcome.broken else 'BROKEN':6} {row.name:26} seed {seed}  " + "  ".join(
        f"{name} {value}" for name, value in zip(COLUMNS[3:-1], _numbers([outcome]), strict=True)
    )


def section(before: str, outcomes: Mapping[str, list[Outcome]], python: Path, commit: str) -> str:
    """The section of docs/reliability.md: what ran, in the place of what it said of these rows `before`.

    `outcomes` are those of rows that ran with all seeds, `python` is the interpreter that the workers ran with.
    """
    lines = dict(re.findall(r"^(?=\| `([\w-]+)` \|)(.*)$", before, re.MULTILINE))
    broken = re.findall(r"^- `([\w-]+)`: (.*)$", before, re.MULTILINE)
    broken = [(name, promise) for name, promise in broken if name not in outcomes]
    for name, of_row in outcomes.items():
        run = f"{datetime.now(UTC).date().isoformat()} {commit}, load {os.getloadavg()[1]:.0f}"
        peak = max(one.peak for one in of_row)
        what = ROWS[name].what + (f"; at most {peak:.0f} MiB resident" if peak else "")
        cells = [f"`{name}`", what, ROWS[name].dedup, *_numbers(of_row), run]
        lines[name] = f"| {' | '.join(cells)} |"
        broken += [(name, promise) for one in of_row for promise in one.broken]
    table = [lines[name] for name in ROWS if name in lines]
    verdict = [f"{_sum(table, 'lost'):,} events were lost. " + ("Every promise held." if not broken else HEADING)]
    verdict += ["", *(f"- `{name}`: {promise}" for name, promise in broken)] if broken else []
    return TEXT.format(
        published=_sum(table, "published"),
        rows=len(table),
        verdict="\n".join(verdict),
        table="\n".join([f"| {' | '.join(COLUMNS)} |", "|---|---|---|" + "--:|" * (len(COLUMNS) - 4) + "---|", *table]),
        **versions(python),
    )


def _sum(table: list[str], column: str) -> int:
    return sum(int(line.split("|")[COLUMNS.index(column) + 1].replace(",", "")) for line in table)


def versions(python: Path) -> dict[str, str]:
    """Of what took part, and the machine."""
    language, client = installed_versions(python, "nats-py")
    return {"server": nats_server_version(), "client": client, "python": language, "machine": machine()}


def _numbers(outcomes: list[Outcome]) -> list[str]:
    counts = ("published", "effects", "duplicates", "again", "letters", "lost")
    return [
        *(f"{sum(getattr(one, name) for one in outcomes):,}" for name in counts),
        *(f"{max(getattr(one, name) for one in outcomes):.2f}" for name in ("stall", "oldest")),
    ]
