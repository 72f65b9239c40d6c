"""Publishers and subscribers, which use core NATS or publish at intervals."""

from __future__ import annotations

from datetime import UTC, datetime


def error_summary(error: BaseException) -> dict[str, str]:
    """Return an error as `/stats` shows it."""
    return {
        "type": type(error).__name__,
        "message": str(error)[:500].encode(errors="replace").decode(),  # JSON does not allow lone surrogates
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
