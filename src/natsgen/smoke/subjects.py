"""Subjects as NATS understands them, for publishing what a handler listens to."""

from __future__ import annotations


def literal(pattern: str, *, token: str = "smoke") -> str:
    """A subject that the pattern matches, with `token` for each wildcard."""
    return ".".join(token if part in ("*", ">") else part for part in pattern.split("."))


def matches(pattern: str, subject: str) -> bool:
    """Whether who listens to the pattern hears the subject, which has no wildcards."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted, given = wanted[:-1], given[: len(wanted) - 1] if len(given) >= len(wanted) else []
    return len(wanted) == len(given) and all(one in ("*", other) for one, other in zip(wanted, given, strict=True))
