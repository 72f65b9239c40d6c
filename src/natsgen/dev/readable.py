"""Make texts of messages and logs readable and harmless: control characters are escaped."""

from __future__ import annotations

from typing import Any

from natsgen.cli import output
from natsgen.dlq import payload


def readable(value: Any) -> Any:
    """Return a JSON value with the control characters of its texts escaped, except line ends."""
    match value:
        case str():
            return value if value.isprintable() else "\n".join(map(output.printable, value.splitlines()))
        case dict():
            return {readable(key): readable(one) for key, one in value.items()}
        case list():
            return [readable(one) for one in value]
        case _:
            return value


def payload_of(content: bytes, size: int) -> dict[str, Any]:
    """Return a payload, of which `content` is the beginning, as text."""
    shown = payload.decode(content)
    return {"kind": shown.kind, "text": "\n".join(shown.lines), "rest": size - len(content) + shown.rest}
