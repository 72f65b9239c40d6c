"""The FastAPI application: every route of `src/web/routes`, and the OpenAPI document."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from src.config import DESCRIPTION, VERSION, settings
from src.infrastructure.errors import ConfigurationError
from src.web.asgi import path_of
from src.web.discovery import refuse_twins, route_modules, specificity
from src.web.fastapi.errors import RESPONSES, add_error_handlers
from src.web.gateway import Gateway
from src.web.lifespan import lifespan, worker


def routers() -> list[APIRouter]:
    """Return the routers of all routes, in the order in which they are tried.

    Raises:
        ConfigurationError: a route's file has no router, or two routes have the same method and path.
    """
    found = []
    for module in route_modules():
        router = getattr(module, "router", None)
        if not isinstance(router, APIRouter):
            raise ConfigurationError(f"{module.__name__}: no `router = APIRouter()`, which its routes are added to")
        found.append(router)
    refuse_twins(
        (method, route.path, f"{route.endpoint.__module__}.{route.endpoint.__qualname__}")
        for router in found
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    )
    return sorted(found, key=lambda router: min((specificity(path_of(route)) for route in router.routes), default=()))


application = FastAPI(
    title=settings.SERVICE_NAME,
    version=VERSION,
    description=DESCRIPTION,
    lifespan=lifespan,
    responses=RESPONSES,
    redirect_slashes=False,
    telemetry={"tracing": False},  # the gateway makes the spans, if the service has the extra `otel`
)
add_error_handlers(application)
for one in routers():
    application.include_router(one)


app = Gateway(worker, application)
