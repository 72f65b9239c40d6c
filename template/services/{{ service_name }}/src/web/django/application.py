"""The Django application, with the worker's lifespan around it."""

from __future__ import annotations

import logging
import os

from django.core.asgi import get_asgi_application

from src.web.asgi import Receive, Scope, Send
from src.web.gateway import Gateway
from src.web.lifespan import lifespan, worker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "src.web.django.settings")
logging.getLogger("django.request").setLevel(logging.CRITICAL)  # the gateway logs every request itself
django = get_asgi_application()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with Django, or take part in the server's lifespan, which Django does not support."""
    if scope["type"] != "lifespan":
        await django(scope, receive, send)
        return
    await receive()  # lifespan.startup
    async with lifespan():
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
    await send({"type": "lifespan.shutdown.complete"})


app = Gateway(worker, application)
