"""Runs blocks of Python inside of a service at work, as if they stood in its handlers: `python inside.py BLOCKS SAID`.

Started in the service's folder. BLOCKS is a JSON object of names and texts; SAID, written at the end, has what each
printed and, where it failed, the trace. A block without `await` runs in a thread, as synchronous code would.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path.cwd()))

from src.config import settings
from src.infrastructure.worker import Worker
from src.utils.logging import configure_logging

LIMIT = 30.0  # seconds for each


async def said_by(name: str, text: str) -> dict[str, str]:
    """What a block printed, and why it failed, if it did."""
    printed = io.StringIO()
    module = sys.modules["documented"] = ModuleType("documented")  # where models look their annotations up
    with redirect_stdout(printed):
        try:
            code = compile(text, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            async with asyncio.timeout(LIMIT):
                if code.co_flags & inspect.CO_COROUTINE:
                    await eval(code, module.__dict__)
                else:
                    await asyncio.to_thread(exec, code, module.__dict__)
        except Exception:
            return {"printed": printed.getvalue(), "failed": traceback.format_exc()}
    return {"printed": printed.getvalue(), "failed": ""}


def counted(worker: Worker) -> Iterator[bool]:
    """Whether each but a handler, which may have nothing to do, has counted anything."""
    for kind, parts in worker.stats().items():
        for part in parts.values() if kind == "subscriptions" else parts:
            if not part.get("subject", "").startswith("orders."):
                yield any(part.get(name) for name in ("handled", "requests", "sequence", "heard"))


async def until(condition: Callable[[], bool], otherwise: Callable[[], object]) -> None:
    """Returns when the condition holds; raises what is the case instead where that takes too long."""
    try:
        async with asyncio.timeout(LIMIT):
            while True:
                if condition():
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise TimeoutError(json.dumps(otherwise(), default=str)) from None


async def main(blocks: dict[str, str]) -> dict[str, dict[str, str]]:
    configure_logging(settings.SERVICE_NAME, "WARNING", "json")
    worker = Worker(settings)
    worker.register()
    working = worker.start()
    await until(lambda: worker.readiness().ready or working.done(), worker.readiness)
    found = {name: await said_by(name, text) for name, text in blocks.items()}
    await until(lambda: all(counted(worker)), worker.stats)
    found["stats"] = {"printed": json.dumps(worker.stats(), default=str), "failed": ""}
    await worker.stop()
    if working.done() and not working.cancelled():
        working.result()
    return found


if __name__ == "__main__":
    given, wanted = Path(sys.argv[1]), Path(sys.argv[2])
    wanted.write_text(json.dumps(asyncio.run(main(json.loads(given.read_text())))))
