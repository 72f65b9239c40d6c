"""Checks of a sample's log and metrics."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from natsgen.parts.actions import Action
from natsgen.parts.handlers import Handler
from natsgen.parts.publishers import PUBLISHERS, Publisher
from natsgen.parts.subscribers import SUBSCRIBERS, Subscriber
from natsgen.parts.tasks import Task
from natsgen.smoke.running import Running

ALWAYS = ("timestamp", "level", "logger", "message", "service", "module", "function")
IN_HANDLERS = ("subject", "message_id", "correlation_id", "handler", "attempt")
LEVELS = ("DEBUG", "INFO", "WARNING")


def logs(run: Running) -> str:
    """Check that each log line is a JSON object with the keys that dashboards need, and that none is an error."""
    found = run.service.log_records()
    if errors := run.service.process.error_lines():
        raise run.failure(f"it prints text on standard error, not JSON: {errors[0]}")
    for record in found:
        wrong = [f"no {key}" for key in ALWAYS if key not in record]
        if record.get("service") != run.name:
            wrong.append(f"the service {record.get('service')!r}")
        if record.get("level") not in LEVELS:
            wrong.append(f"the level {record.get('level')!r} without an error")
        if not _is_utc(str(record.get("timestamp"))):
            wrong.append(f"the timestamp {record.get('timestamp')!r}, not ISO 8601 in UTC")
        if wrong:
            raise run.failure(f"a line has {', '.join(wrong)}: {json.dumps(record)[:300]}")
    if _handling(run) and not any(all(key in record for key in IN_HANDLERS) for record in found):
        raise run.failure(f"no line of a handler has the keys {', '.join(IN_HANDLERS)}")
    return f"{len(found)} lines"


def metrics(run: Running) -> str:
    """Check that the metrics cover every part, and agree with `/stats`."""
    samples = run.service.metrics()
    for name in _handling(run):
        handled = run.stats_of(None, name)["handled"]
        if handled not in [value for sample, value in samples.items() if f'handler="{name}"' in sample]:
            raise run.failure(f"/metrics does not show the {handled} messages that {name} has handled")
    for action in run.parts(Action):
        labels = (f'action="{action.does}"', f'version="{action.version}"')
        if not any(all(label in name for label in labels) for name in samples):
            raise run.failure(f"/metrics has no sample for {action.does} version {action.version}")
    for publisher in run.parts(Publisher):  # it continues to publish
        published = samples.get(f'worker_published_total{{publisher="{publisher.name}"}}', 0)
        if not 1 <= published <= (in_stats := run.stats_of(PUBLISHERS, publisher.name)["sequence"]):
            raise run.failure(f"/metrics has {published:g} messages of {publisher.name}, but /stats {in_stats}")
    for subscriber in run.parts(Subscriber):
        received = samples.get(f'worker_heard_total{{subscriber="{subscriber.name}"}}')
        if received != (in_stats := run.stats_of(SUBSCRIBERS, subscriber.name)["received"]):
            raise run.failure(f"/metrics has {received} messages for {subscriber.name}, but /stats {in_stats}")
    return f"{len(samples)} samples"


def _handling(run: Running) -> list[str]:
    return [part.name for part in (*run.parts(Handler), *run.parts(Task))]


def _is_utc(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except ValueError:
        return False
