"""Joins the services of a workspace: who sends what to whom, and what does not fit together."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from natsgen.contracts import compatibility
from natsgen.contracts.reading import End, Surface
from natsgen.parts import naming
from natsgen.parts.sends import CALLS, ENQUEUES, PUBLISHES

OF_WORKERS = ("dlq.>", "replay.>")
"""Subjects that every worker publishes to or consumes itself."""

_TAKES = {PUBLISHES: ("handler", "subscriber", "task"), CALLS: ("action",), ENQUEUES: ("task",)}
_UNTAKEN = {PUBLISHES: "nobody consumes", CALLS: "nobody answers", ENQUEUES: "nobody runs"}
_MOST = 20  # cycles; where everything sends to everything, there are more than anybody reads
_SUBJECT = re.compile(r"([^\s.*>]+|\*)(\.([^\s.*>]+|\*))*(\.>)?")


@dataclass(frozen=True)
class Finding:
    """Something that does not fit together.

    Attributes:
        kind: `unconsumed`, `unfed`, `mismatch`, `cycle` or `subject`.
        text: what it is.
        places: the files in the workspace, and the lines.
    """

    kind: str
    text: str
    places: tuple[str, ...]


@dataclass(frozen=True)
class Flow:
    """The messages on one subject.

    Attributes:
        subject: the subject; it may have wildcards.
        senders: what sends them.
        receivers: what receives them; of a subject that nothing sends, what would.
    """

    subject: str
    senders: tuple[End, ...]
    receivers: tuple[End, ...]


@dataclass(frozen=True)
class Map:
    """The map of a workspace.

    Attributes:
        services: their names.
        flows: by subject.
        findings: what does not fit together.
        unread: what the source does not tell, each with its place.
    """

    services: tuple[str, ...]
    flows: tuple[Flow, ...]
    findings: tuple[Finding, ...]
    unread: tuple[str, ...]


def join(surfaces: Sequence[Surface], external: Collection[str] = ()) -> Map:
    """Return the map of services.

    Args:
        surfaces: the services.
        external: subjects, perhaps with wildcards, on which others than these services send or receive.
    """
    senders = [end for surface in surfaces for end in surface.senders]
    receivers = [end for surface in surfaces for end in surface.receivers]
    pairs = [(one, other) for one in senders for other in receivers if meet(one, other)]
    findings = (
        *_invalid([*senders, *receivers]),
        *_alone(senders, receivers, pairs, (*external, *OF_WORKERS)),
        *_mismatches(pairs),
        *_cycles(pairs),
    )
    fed = {id(other) for _, other in pairs}
    subjects = {*(end.subject for end in senders), *(end.subject for end in receivers if id(end) not in fed)}
    flows = tuple(_flow(subject, senders, receivers, pairs) for subject in sorted(subjects))
    unread = tuple(text for surface in surfaces for text in surface.unknown)
    return Map(tuple(surface.service for surface in surfaces), flows, findings, unread)


def _flow(subject: str, senders: Sequence[End], receivers: Sequence[End], pairs: Sequence[tuple[End, End]]) -> Flow:
    from_here = [end for end in senders if end.subject == subject]
    reached = [id(other) for one, other in pairs if one.subject == subject]
    takers = [end for end in receivers if id(end) in reached or (end.subject == subject and not from_here)]
    return Flow(subject, tuple(from_here), tuple(takers))


def meet(sender: End, receiver: End) -> bool:
    """Return whether a message of the sender can reach the receiver."""
    return receiver.kind in _TAKES[sender.kind] and naming.overlap(sender.subject, receiver.subject)


def _invalid(ends: Sequence[End]) -> Iterator[Finding]:
    for end in ends:
        if not _SUBJECT.fullmatch(end.subject):
            yield Finding("subject", f"{end.who}: {end.subject!r} is not a valid subject", (end.place,))
        elif end.is_sent and end.is_constant and _is_wide(end.subject) and end.kind != ENQUEUES:
            yield Finding("subject", f"{end.who} {end.kind} {end.subject}, which has a wildcard", (end.place,))


def _alone(
    senders: Sequence[End], receivers: Sequence[End], pairs: Sequence[tuple[End, End]], external: Collection[str]
) -> Iterator[Finding]:
    met = {id(end) for pair in pairs for end in pair}
    alone = [
        end
        for end in (*senders, *receivers)
        if id(end) not in met and not any(naming.overlap(one, end.subject) for one in external)
    ]
    for end in alone:
        if end.is_sent:
            near = next((one for one in alone if not one.is_sent and _is_near(one.subject, end.subject)), None)
            hint = f"; {near.who} takes {near.subject}" if near else ""
            yield Finding("unconsumed", f"{_UNTAKEN[end.kind]} {end.subject} of {end.who}{hint}", (end.place,))
        elif end.kind != "action" and not end.options.get("schedule"):
            yield Finding("unfed", f"no service sends {end.subject} to {end.who}", (end.place,))


def _mismatches(pairs: Sequence[tuple[End, End]]) -> Iterator[Finding]:
    for one, other in pairs:
        if texts := [*_between(one, other)]:
            text = f"{one.who} sends {one.subject} to {other.who}: {'; '.join(texts)}"
            yield Finding("mismatch", text, (one.place, other.place))


def _between(sender: End, receiver: End) -> Iterator[str]:
    if sender.schema is not None and receiver.schema is not None:
        yield from compatibility.problems(receiver.schema, sender.schema)
    if sender.reply_schema is not None and receiver.reply_schema is not None:
        found = compatibility.problems(sender.reply_schema, receiver.reply_schema)
        yield from (f"in the reply, {text}" for text in found)


def _cycles(pairs: Sequence[tuple[End, End]]) -> Iterator[Finding]:
    """Yield cycles of parts: a part that sends what it receives, perhaps by way of others."""
    edges = {(one.who, other.who): (one, other) for one, other in pairs if one.part}
    left = dict(edges)
    for _ in range(_MOST):
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for one, other in left:
            sorter.add(other, one)
        try:
            sorter.prepare()
            return
        except CycleError as error:
            nodes: list[str] = error.args[1]
        steps = [*pairwise(nodes)]
        steps = steps if steps[0] in left else [(other, one) for one, other in reversed(steps)]
        yield Finding(
            "cycle",
            f"{steps[0][0]} " + " ".join(f"sends {left[step][0].subject} to {step[1]}," for step in steps).strip(","),
            tuple(left[step][0].place for step in steps),
        )
        del left[steps[-1]]


def _is_wide(subject: str) -> bool:
    return bool({"*", ">"} & set(subject.split(".")))


def _is_near(one: str, other: str) -> bool:
    return one.split(".")[0] == other.split(".")[0]
