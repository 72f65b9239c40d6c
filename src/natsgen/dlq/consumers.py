"""Who takes replays: the consumers of the stream, by the subjects that they filter."""

from __future__ import annotations

from collections.abc import Iterable

from natsgen.dlq.connection import Connection
from natsgen.dlq.letters import STREAM


async def unattended(connection: Connection, subjects: Iterable[str]) -> list[str]:
    """Those of the subjects that no consumer of the stream takes, sorted."""
    filters: list[str] = []
    offset, total = 0, 1
    while offset < total:
        page = await connection.api(f"CONSUMER.LIST.{STREAM}", {"offset": offset})
        consumers = page.get("consumers") or []
        filters += [one for consumer in consumers for one in _filters(consumer["config"])]
        offset, total = offset + len(consumers), int(page["total"]) if consumers else 0
    return sorted(subject for subject in set(subjects) if not any(matches(one, subject) for one in filters))


def matches(pattern: str, subject: str) -> bool:
    """Whether a subject with wildcards covers a plain one."""
    wanted, given = pattern.split("."), subject.split(".")
    for number, token in enumerate(wanted):
        if token == ">":
            return len(given) > number
        if number >= len(given) or token not in ("*", given[number]):
            return False
    return len(wanted) == len(given)


def _filters(config: dict[str, object]) -> list[str]:
    several = config.get("filter_subjects")
    if isinstance(several, list):
        return [str(one) for one in several]
    return [str(config.get("filter_subject") or ">")]
