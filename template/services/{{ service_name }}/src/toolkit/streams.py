"""Streams and consumers by hand, for what handlers do not do: nats-py's own API, over the service's connection.

    await (await jetstream()).add_stream(name="JOBS", subjects=["jobs.>"], retention="workqueue")

https://nats-io.github.io/nats.py/modules.html#jetstream
"""

from __future__ import annotations

from nats.js import JetStreamContext

from src.toolkit.connection import connected


async def jetstream() -> JetStreamContext:
    """Return nats-py's JetStream of the present connection; get it again for each piece of work.

    Raises:
        RuntimeError: no worker runs in this process.
        NotConnected: there is no connection in time.
    """
    return (await connected("JetStream")).jetstream
