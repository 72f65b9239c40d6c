"""The Django application, with the service's life around it."""

from __future__ import annotations

import logging
import os

from django.core.asgi import get_asgi_application

from src.web.asgi import Application, Receive, Scope, Send
from src.web.config import settings
from src.web.gateway import Gateway
from src.web.lifespan import lifespan, service

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "src.web.django.settings")
logging.getLogger("django.request").setLevel(logging.CRITICAL)  # the gateway logs every request itself


class WithLifespan:
    """An ASGI application that takes part in the server's lifespan, of which Django's own knows nothing."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or lives as long as the server says."""
        if scope["type"] != "lifespan":
            await self._application(scope, receive, send)
            return
        await receive()  # the only message there can be: lifespan.startup
        async with lifespan():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _route_of(scope: Scope) -> str:
    return str(scope.get("route", ""))


django = get_asgi_application()  # sets Django up
app = Gateway(settings, service, WithLifespan(django), _route_of)
