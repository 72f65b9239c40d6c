"""What a sample says of itself in its log and its metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from natsgen.harness.errors import HarnessError
from natsgen.harness.output import json_records
from natsgen.parts.publishers import PUBLISHERS
from natsgen.parts.subscribers import SUBSCRIBERS
from natsgen.smoke.live import Live

ALWAYS = ("timestamp", "level", "logger", "message", "service", "module", "function")
IN_HANDLERS = ("subject", "message_id", "correlation_id", "handler", "attempt")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def logs(live: Live) -> str:
    """Check that each log line is a JSON object with the keys that dashboards need, and that none is an error."""
    found = check_lines(live)
    handling = live.handlers or live.tasks
    if handling and not live.handles:
        return f"{len(found)} lines, without those of handlers that work"
    for record in found:
        if record["level"] in ("ERROR", "CRITICAL"):
            raise live.failure(f"it logged an error although nothing was wrong: {json.dumps(record)[:300]}")
    if handling and not any(all(key in record for key in IN_HANDLERS) for record in found):
        raise live.failure(f"no line of a handler has the keys {', '.join(IN_HANDLERS)}")
    return f"{len(found)} lines"


def check_lines(live: Live) -> list[dict[str, Any]]:
    """Return what it has logged so far.

    Raises:
        CheckFailed: a line is not as the contract has it, or something is on standard error.
    """
    try:
        found = json_records(live.running.lines(), live.service)
    except HarnessError as error:
        raise live.failure(str(error)) from error
    if errors := live.running.error_lines():
        raise live.failure(f"it prints on standard error, which is no JSON: {errors[0]}")
    for record in found:
        if missing := [key for key in ALWAYS if key not in record]:
            raise live.failure(f"a line has no {', '.join(missing)}: {json.dumps(record)[:300]}")
        if record["service"] != live.service:
            raise live.failure(f"a line names the service {record['service']!r}: {json.dumps(record)[:300]}")
        if record["level"] not in LEVELS:
            raise live.failure(f"a line has the level {record['level']!r}: {json.dumps(record)[:300]}")
        if not _is_utc(record["timestamp"]):
            raise live.failure(f"a line has the timestamp {record['timestamp']!r}, which is no ISO 8601 in UTC")
    return found


def metrics(live: Live) -> str:
    """Check that the metrics have every handler and action, and agree with `/stats`."""
    samples = live.running.metrics()
    for name in (*(one.name for one in live.handlers), *(one.name for one in live.tasks)):
        handled = live.counts(name)["handled"]
        of = {sample: value for sample, value in samples.items() if f'handler="{name}"' in sample}
        if not of:
            raise live.failure(f"/metrics has nothing of the handler {name}")
        if handled not in of.values():
            raise live.failure(f"/metrics nowhere has the {handled} that {name} has handled")
    for action in live.actions:
        labels = (f'action="{action.does}"', f'version="{action.version}"')
        if not any(all(label in name for label in labels) for name in samples):
            raise live.failure(f"/metrics has nothing of {action.does} version {action.version}")
    _check_pubsub(live, samples)
    return f"{len(samples)} samples"


def _check_pubsub(live: Live, samples: Mapping[str, float]) -> None:
    """Compares what is counted of publishers and subscribers; the former go on meanwhile."""
    for name, told in live.pubsub(PUBLISHERS).items():
        published = samples.get(f'worker_published_total{{publisher="{name}"}}')
        if published is None:
            raise live.failure(f"/metrics has nothing of the publisher {name}")
        if not 1 <= published <= told["sequence"]:
            raise live.failure(f"/metrics has {published:g} messages of {name}, and /stats {told['sequence']}")
    for name, told in live.pubsub(SUBSCRIBERS).items():
        heard = samples.get(f'worker_heard_total{{subscriber="{name}"}}')
        if heard != told["received"]:
            raise live.failure(f"/metrics has {heard} messages that {name} has heard, and /stats {told['received']}")


def _is_utc(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except ValueError:
        return False
