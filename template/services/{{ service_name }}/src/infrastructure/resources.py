"""The service's resources and middleware, from `src/domain/resources.py`, and how handlers get them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from functools import partial
from typing import Any, TypeVar

from src.infrastructure.errors import describe, is_cancelled
from src.utils.logging import logger

Function = TypeVar("Function", bound=Callable[..., Any])
CallNext = Callable[[], Awaitable[None]]
OpenResources = Callable[[], AbstractAsyncContextManager[Any]]
Middleware = Callable[[Any, CallNext], Awaitable[None]]  # of the message, or of a batch's messages, and of what is next

CHECK_EVERY = 5.0  # seconds between calls of `ready`, and the most that one may take
LONGEST_PAUSE = 15.0  # seconds between attempts to open the resources


class SharedResources:
    """The resources of this process.

    Attributes:
        value: what `open_resources` yielded; None until then.
        trouble: why the service is not ready, in a few words; empty while it is.
        middleware: what is called around each message, the outermost first.
    """

    def __init__(self) -> None:
        self.value: Any = None
        self.trouble = ""
        self.middleware: Sequence[Middleware] = ()
        self._task: asyncio.Task[None] | None = None

    async def open(self, open_resources: OpenResources) -> None:
        """Open the resources, however many attempts that takes. Some libraries need one task to open and close them."""
        opened, self._closing = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._keep_open(open_resources, opened), name="resources")
        await opened.wait()

    async def close(self) -> None:
        """Close the resources; call this after the last handler has ended."""
        if self._task:
            self._closing.set()
            await self._task

    async def _keep_open(self, open_resources: OpenResources, opened: asyncio.Event) -> None:
        pause = 1.0
        async with AsyncExitStack() as stack:
            while not self._closing.is_set():
                try:
                    self.value = await stack.enter_async_context(open_resources())
                    self.trouble = ""
                    opened.set()
                    await self._closing.wait()
                except (Exception, asyncio.CancelledError) as error:
                    if is_cancelled():
                        raise
                    self.trouble = f"opening the resources: {describe(error)}"
                    logger.error("resources not opened: trying again", error=describe(error), exc_info=error)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause):
                            await self._closing.wait()
                    pause = min(2 * pause, LONGEST_PAUSE)
        self.value = None

    async def check(self) -> None:
        """Call the resources' `ready` repeatedly, if they have it; what it raises makes the service unready."""
        if (ready := getattr(self.value, "ready", None)) is None:
            return
        while True:
            try:
                async with asyncio.timeout(CHECK_EVERY):
                    await ready()
                self.trouble = ""
            except (Exception, asyncio.CancelledError) as error:
                if is_cancelled():
                    raise
                if not self.trouble:
                    logger.warning("resources not ready", error=describe(error))
                self.trouble = f"resources: {describe(error)}"
            await asyncio.sleep(CHECK_EVERY)

    async def call(self, message: Any, function: CallNext) -> None:
        """Call a handler's function inside the middleware."""
        for middleware in reversed(self.middleware):
            function = partial(middleware, message, function)
        await function()


shared = SharedResources()


def with_resources(function: Function) -> Function:
    """Return a function with its parameter `resources` filled in; a function without one is returned as it is."""
    if "resources" not in inspect.signature(function).parameters:
        return function
    return lambda *args, **kwargs: function(*args, **kwargs, resources=shared.value)  # type: ignore[return-value]
