"""Find the edges of the page's map: for each subject its publishers, its consumers, and its messages a second."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from nats.js.api import StreamInfo

from natsgen.dev.catalog import Catalog, Part
from natsgen.parts import naming

SUBJECTS = 200  # beside those that services declare
_OWN = ("dlq.", "replay.")


def find(
    catalogs: Collection[Catalog],
    published: Counter[str],
    rates: Mapping[str, float],
    streams: Mapping[str, StreamInfo],
) -> list[dict[str, Any]]:
    """Return the edges: those of subjects that services declare, then those of others that were seen.

    Args:
        catalogs: the services.
        published: how many messages were seen, by subject.
        rates: messages a second, by subject or consumer.
        streams: by name.
    """
    publishers = _publishers(catalogs)
    consumers = [(f"{catalog.service}.{part.name}", part) for catalog in catalogs for part in catalog.parts]
    named = sorted(publishers.keys() | {part.subject for _, part in consumers})
    seen = [one for one, _ in published.most_common(SUBJECTS) if not one.startswith(_OWN)]
    others = sorted(one for one in seen if not any(naming.matches(pattern, one) for pattern in named))
    flows = []
    for subject in (*named, *others):
        matching = _matching(subject, published)
        takers = [(who, part) for who, part in consumers if naming.overlap(part.subject, subject)]
        flows.append(
            {
                "subject": subject,
                "stream": next((name for name, info in streams.items() if _is_in(subject, info)), ""),
                "rate": round(sum(rates.get(one, 0.0) for one in matching), 1),
                "total": sum(published[one] for one in matching),
                "publishers": sorted(publishers.get(subject, ())),
                "consumers": [{"who": who, "kind": part.kind, "rate": rate_of(part, rates)} for who, part in takers],
            }
        )
    return flows


def rate_of(part: Part, rates: Mapping[str, float]) -> float:
    """Return the messages a second that a part receives."""
    return rates.get(part.durable or part.subject, 0.0)


def _publishers(catalogs: Iterable[Catalog]) -> Mapping[str, set[str]]:
    """Return the publishers of each subject: parts that declare it, else the service whose code publishes to it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for catalog in catalogs:
        for part in catalog.parts:
            for subject in part.publishes:
                found[subject].add(f"{catalog.service}.{part.name}")
        for subject in set(catalog.publishes).difference(*(part.publishes for part in catalog.parts)):
            found[subject].add(catalog.service)
    return found


def _matching(pattern: str, subjects: Collection[str]) -> list[str]:
    if "*" in pattern or ">" in pattern:
        return [one for one in subjects if naming.matches(pattern, one)]
    return [pattern] if pattern in subjects else []


def _is_in(subject: str, stream: StreamInfo) -> bool:
    return any(naming.matches(pattern, subject) for pattern in stream.config.subjects or ())
