"""Which event loop the worker runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def fastest_event_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop: uvloop's where that is installed, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
