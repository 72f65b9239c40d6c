"""The output of `natsgen dlq` about dead letters, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from natsgen import messages
from natsgen.cli import output
from natsgen.dlq.bulk import Tally
from natsgen.dlq.letters import STREAM, Summary, shown_time
from natsgen.dlq.selection import Chosen, groups

FAILURES_SHOWN = 10
_ERROR_SHOWN = 100  # characters of an error in a list


def nothing(chosen: Chosen) -> str:
    """Return the message that there are no dead letters; "" if there are some."""
    if chosen.letters:
        return ""
    if not chosen.has_stream:
        return f"no stream {STREAM} at {chosen.server}: no worker has stored a dead letter there yet"
    which = "" if chosen.selection.is_everything else "matching "
    return f"no {which}dead letters in stream {STREAM} at {chosen.server}"


def counted(number: int) -> str:
    """Return a number with its noun, such as "2 dead letters"."""
    return messages.counted(number, "dead letter")


def count_lines(letters: Sequence[Summary]) -> list[str]:
    """Return a table of the numbers of dead letters by group."""
    rows = [("SERVICE", "HANDLER", "REASON", "LETTERS", "OLDEST", "NEWEST")]
    for one in groups(letters):
        times = shown_time(one.oldest), shown_time(one.newest)
        rows.append((one.service or "-", one.handler, one.reason or "-", f"{one.count:,}", *times))
    return list(output.columns(rows))


def list_lines(chosen: Chosen, *, ids: bool, limit: int) -> Iterator[str]:
    """Yield the lines of `list`."""
    if not ids:
        yield from count_lines(chosen.letters)
        yield f"{counted(len(chosen.letters))} in stream {STREAM} at {chosen.server}"
        return
    rows = [("ID", "FAILED AT", "SERVICE", "HANDLER", "REASON", "ERROR")]
    rows += [
        (str(one.id), shown_time(one.when), one.service or "-", one.handler, one.reason or "-", _short(one.error))
        for one in chosen.letters[-limit:]
    ]
    yield from output.columns(rows)
    if len(chosen.letters) > limit:
        yield f"the newest {limit} of {counted(len(chosen.letters))}; --limit shows more"


def list_document(chosen: Chosen, *, ids: bool, limit: int) -> dict[str, Any]:
    """Return the JSON document of `list`."""
    document: dict[str, Any] = {
        "server": chosen.server,
        "stream": STREAM,
        "total": len(chosen.letters),
        "groups": group_documents(chosen.letters),
    }
    return {**document, "letters": [summary_document(one) for one in chosen.letters[-limit:]]} if ids else document


def group_documents(letters: Sequence[Summary]) -> list[dict[str, Any]]:
    """Return the numbers of dead letters by group, for JSON."""
    return [
        {
            "service": one.service or None,
            "handler": one.handler,
            "reason": one.reason or None,
            "count": one.count,
            "oldest": one.oldest.isoformat(),
            "newest": one.newest.isoformat(),
        }
        for one in groups(letters)
    ]


def summary_document(letter: Summary) -> dict[str, Any]:
    """Return the summary of a dead letter, for JSON."""
    return {
        "id": letter.id,
        "subject": letter.subject,
        "service": letter.service or None,
        "handler": letter.handler,
        "reason": letter.reason or None,
        "failed_at": letter.when.isoformat(),
        "error": letter.error or None,
        "correlation_id": letter.correlation or None,
        "is_with_original": letter.is_with_original,
        "size": letter.size,
    }


def failure_lines(tally: Tally, what: str) -> Iterator[str]:
    """Yield the failures with their reasons; `what` is what the numbers of the tally count."""
    for number, why in list(tally.failed.items())[:FAILURES_SHOWN]:
        yield output.printable(f"{what} {number}: {why}")
    if (more := len(tally.failed) - FAILURES_SHOWN) > 0:
        yield f"and {more:,} more"


def failure_documents(tally: Tally, key: str = "id") -> list[dict[str, Any]]:
    """Return the failures with their reasons, for JSON."""
    return [{key: number, "error": why} for number, why in tally.failed.items()]


def _short(text: str) -> str:
    return text if len(text) <= _ERROR_SHOWN else f"{text[:_ERROR_SHOWN]}..."
