"""The service's resources and middleware, from `src/domain/resources.py`, and how handlers get them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial, wraps
from typing import Any, TypeVar

from src.infrastructure.errors import describe
from src.utils.logging import logger

Function = TypeVar("Function", bound=Callable[..., Any])
CallNext = Callable[[], Awaitable[None]]
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

    @asynccontextmanager
    async def opened(self, open_resources: Callable[[], AbstractAsyncContextManager[Any]]) -> AsyncIterator[None]:
        """Open the resources, however often that takes, and close them at the end."""
        pause = 1.0
        stack = AsyncExitStack()
        while True:
            try:
                self.value = await stack.enter_async_context(open_resources())
                break
            except Exception as error:
                self.trouble = f"opening the resources: {describe(error)}"
                logger.error("resources not opened: trying again", error=describe(error), exc_info=error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        self.trouble = ""
        try:
            yield
        finally:
            self.value = None
            await stack.aclose()  # without the exception that ends the worker: code after a `yield` runs in any case

    async def check(self) -> None:
        """Call the resources' `ready` again and again, if they have it; what it raises makes the service unready."""
        if (ready := getattr(self.value, "ready", None)) is None:
            return
        while True:
            try:
                async with asyncio.timeout(CHECK_EVERY):
                    await ready()
                self.trouble = ""
            except Exception as error:
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

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs, resources=shared.value)

    return call  # type: ignore[return-value]
