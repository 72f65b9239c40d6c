"""The paths that Django answers: those of the routes in `src/web/routes`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from itertools import groupby
from typing import Any, cast

from django.core.exceptions import DisallowedHost, PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path
from pydantic_core import to_json

from src.web.asgi import JSON, Scope
from src.web.discovery import refuse_twins, route_modules, specificity
from src.web.django.routing import Route, registered
from src.web.problems import INTERNAL, NOT_ALLOWED, NOT_FOUND, Problem, problem_of

DJANGO: tuple[tuple[type[Exception], Problem], ...] = (
    (DisallowedHost, Problem(400, "unknown host")),
    (Http404, NOT_FOUND),
    (PermissionDenied, Problem(403, "not allowed")),
)
"""Django's own exceptions, as responses."""

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def view_of(routes: Sequence[Route]) -> View:
    """Return the view for all routes of one path; the method selects the route."""
    by_method = {route.method: route for route in routes}
    allowed = {"Allow": ", ".join(sorted(by_method))}

    async def view(request: HttpRequest, **values: str) -> HttpResponseBase:
        route = by_method.get(request.method or "")
        cast(Scope, cast(ASGIRequest, request).scope)["route"] = route or routes[0]  # for the gateway
        try:
            request.get_host()
            if route is None:
                return _error(NOT_ALLOWED, allowed)
            result = await route.view(request, **dict(zip(route.parameters, values.values(), strict=True)))
            return result if isinstance(result, HttpResponseBase) else _json(to_json(result), route.status)
        except Exception as error:
            known = next((problem for kind, problem in DJANGO if isinstance(error, kind)), None)
            return _error(known or problem_of(error))

    return view


def patterns() -> list[URLPattern]:
    """Return the URL patterns in the order in which Django tries them.

    Raises:
        ConfigurationError: a route is invalid.
    """
    route_modules()  # registers them
    routes = sorted(registered(), key=lambda route: (specificity(route.path), route.pattern))
    refuse_twins((route.method, route.path, route.where) for route in routes)
    return [path(pattern, view_of(list(group))) for pattern, group in groupby(routes, key=lambda route: route.pattern)]


def handler400(_: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an invalid request."""
    return _error(Problem(400, "invalid request"))


def handler404(_: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown path."""
    return _error(NOT_FOUND)


def handler500(_: HttpRequest) -> HttpResponse:
    """Answer when Django itself failed."""
    return _error(INTERNAL)


def _error(problem: Problem, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return _json(problem.body, problem.status, headers)


def _json(body: bytes, status: int, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        body, status=status, headers={"Content-Type": JSON, "Content-Length": str(len(body)), **(headers or {})}
    )


urlpatterns: list[Any] = patterns()
