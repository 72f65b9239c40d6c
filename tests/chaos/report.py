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

Each row runs generated workers on a real NATS server, or on three servers with replicated streams. A publisher sends
events of 50 aggregates at a steady rate, and a fault happens in the middle. A row runs three times, with the seeds 1, 2
and 3, which choose the moment of the fault and the events that fail. Counts are sums of the three runs; times are the
longest of them. `make chaos ROW=<row>` repeats a row and replaces its line here; `make chaos ROW=<row> SEED=2` repeats
one of its runs.

- *inbox*: the setting `DEDUP`.
- *published*: events that their stream confirmed. The other columns count only these.
- *effects*: events whose handler returned and left its effect, an event that it published with `message.publish`.
- *twice*: effects that their stream stored more than once.
- *again*: how often a handler finished an event that had been finished before. Without an inbox, delivery at least once
  permits that. With an inbox, it happens only if a worker is killed after a handler has returned and before the inbox
  has noted it: at most `concurrency` events for each kill (10, or 1 in handler-crashes).
- *letters*: dead letters. They must be exactly those that the row expects, with their reasons and payloads.
- *lost*: events with neither an effect nor a dead letter.
- *stall*: the longest time, in seconds, for which events waited and none was handled. The limit is {DEAD_SERVER:g} s,
  which is two heartbeats and 2 s. It is {LEADER:g} s if a leader steps down, or if the fault does not affect what the
  worker needs. In fleet-frozen it is 15 s, because the server is frozen for 10 s. In backlog-1mb the time includes the
  one for which the worker is stopped, so it has no such limit.
- *oldest*: the longest time, in seconds, from the first attempt to publish an event until its handler returned. The
  server redelivers messages that it sent into a connection that was lost, or to a worker that was killed, after
  `ack_wait`. It is 4 s here (2 s in handler-crashes and killers, 3 s in slow-handler, 30 s in restarts and
  rolling-restart); the default is 30 s.
- *run*: the date and the commit of the latest run, and the machine's load average then, if it was recorded. If the
  load is far above the number of processors, the times say more about the machine than about the worker.

{{table}}

Last run: nats-server {{server}}, nats-py {{client}}, Python {{python}}, {{machine}}.

What no worker can promise: a server confirms an event before the event is on disk. By default, the server writes to
disk every two minutes (`sync_interval` of JetStream), so a power failure can lose what one server confirmed since then.
Three replicas on machines that do not fail together prevent that. So does `sync_interval: always`, which is slower. The
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
