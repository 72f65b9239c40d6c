"""nats-py's JetStream API over the service's connection, for what handlers do not do.

    await (await jetstream()).add_stream(name="JOBS", subjects=["jobs.>"], retention="workqueue")

https://nats-io.github.io/nats.py/modules.html#jetstream
"""

from __future__ import annotations

from nats.js import JetStreamContext

from src.toolkit.connection import connected


async def jetstream() -> JetStreamContext:
    """Return nats-py's JetStream on the current connection; get it again for each piece of work.

    Raises:
        RuntimeError: no worker runs in this process.
        NotConnected: there is no connection in time.
    """
    return (await connected("JetStream")).jetstream
