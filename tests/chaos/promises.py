"""Holds what came of a row against what was promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tests.chaos.verdict import Letter, Outcome, Traces, first_handled, longest_stall, out_of_order, wrong_starts

if TYPE_CHECKING:
    from tests.chaos.run import Run

SHOWN = 5
"""How many events a broken promise names."""

BESIDE_OTHERS = 1.5
"""Seconds that the short form allows on top of a limit: other tests have the processors too. The long form runs alone.

What the worker finds out by a missing heartbeat, and not by being told, still takes far longer than that.
"""


def judge(run: Run, traces: Traces, peak: float) -> Outcome:
    """The row's numbers, with the promises that did not hold added to what is broken already; `peak` in MiB."""
    confirmed, broken = run.traffic.confirmed, run.broken
    handled = first_handled(traces.records)
    with_effect = handled.keys() & traces.effects.keys()
    lost = sorted(confirmed.keys() - with_effect - traces.letters.keys())
    finished = Counter(record.event for record in traces.records if record.what == "handled")
    outcome = Outcome(
        published=len(confirmed),
        effects=len(with_effect),
        duplicates=traces.effects.total() - len(traces.effects),
        again=finished.total() - len(finished),
        letters=sum(map(len, traces.letters.values())),
        lost=len(lost),
        stall=longest_stall(run.traffic.offered, handled, max(confirmed, key=confirmed.__getitem__)),
        oldest=max((at - run.traffic.offered[event] for event, at in handled.items()), default=0.0),
        peak=peak,
        broken=broken,
    )
    if lost:
        broken.append(f"{len(lost)} lost: {_some(lost)}")
    broken.extend(f"not ended in order: {how}" for how in run.fleet.forced)
    broken.extend(_broken_limits(run, outcome))
    broken.extend(_broken_once(run, outcome))
    broken.extend(_broken_letters(run, traces))
    broken.extend(_broken_starts(run, traces))
    broken.extend(_broken_refusals(run, traces))
    if run.row.ordered and (count := out_of_order(traces.records)):
        broken.append(f"{count} events handled after a later one of their key")
    return outcome


def _broken_limits(run: Run, outcome: Outcome) -> Iterator[str]:
    row, more = run.row, BESIDE_OTHERS if run.short else 0.0
    if outcome.stall > row.stall + more:
        yield f"stalled for {outcome.stall:.2f} s; the limit is {row.stall + more:g} s"
    if row.surroundings and row.surroundings.memory and outcome.peak > row.surroundings.memory:
        yield f"{outcome.peak:.0f} MiB resident; the limit is {row.surroundings.memory} MiB"
    if row.oldest is not None and outcome.oldest > row.oldest + more:
        yield f"an event waited {outcome.oldest:.2f} s; the limit is {row.oldest + more:g} s"


def _broken_once(run: Run, outcome: Outcome) -> Iterator[str]:
    """With an inbox there is one effect, and the handler runs again only where its worker died before `done`."""
    if run.row.dedup != "none" and outcome.duplicates:
        yield f"{outcome.duplicates} duplicate effects with an inbox"
    most = run.fleet.kills * run.row.options.concurrency
    if (run.row.dedup != "none" or run.row.once) and outcome.again > most:
        yield f"{outcome.again} events handled again; {run.fleet.kills} kills allow for {most}"


def _broken_letters(run: Run, traces: Traces) -> Iterator[str]:
    """Exactly the letters that the plan asks for, each with its reason and the payload as it was published."""
    payloads = {event.id: event.payload for event in run.plan.events if event.id in run.plan.expected_letters}
    expected = {
        event: [Letter(reason, payloads[event])]
        for event, reason in run.plan.expected_letters.items()
        if event in run.traffic.confirmed
    }
    wrong = {
        event: [letter.reason for letter in traces.letters.get(event, [])]
        for event in expected
        if traces.letters.get(event) != expected[event]
    }
    if wrong:
        yield f"{len(wrong)} dead letters missing or other than expected: {_some(sorted(wrong.items()))}"
    if extra := traces.letters.keys() - expected.keys():
        reasons = {event: traces.letters[event][0].reason for event in extra}
        yield f"{len(extra)} dead letters of events that asked for none: {_some(sorted(reasons.items()))}"


def _broken_starts(run: Run, traces: Traces) -> Iterator[str]:
    """What kills its worker is started exactly `max_attempts` times; `wrong_starts` has the one exception."""
    wanted = run.row.options.max_attempts
    wrong = wrong_starts(traces.records, run.traffic.offered, wanted)
    if wrong:
        yield f"crashing events not started {wanted} times: {_some(sorted(wrong.items()))}"


def _broken_refusals(run: Run, traces: Traces) -> Iterator[str]:
    """What is too large is refused, at its publisher (which may be a handler), and nothing else is."""
    too_large = {event.id for event in run.plan.events if event.size > run.row.max_payload}
    if run.traffic.refused.keys() != too_large:
        yield f"refused as too large: {_some(sorted(run.traffic.refused.items()))}; expected {_some(sorted(too_large))}"
    asked = {event.id for event in run.plan.events if event.do == "oversize"}
    refused = {record.event for record in traces.records if record.what == "refused"}
    if asked != refused:
        yield f"refused as too large in the handler: {len(refused)} events; expected {len(asked)}"


def _some(things: Sequence[object]) -> str:
    shown = ", ".join(map(str, things[:SHOWN]))
    return shown if len(things) <= SHOWN else f"{shown} ..."
