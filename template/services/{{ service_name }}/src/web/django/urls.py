"""The paths that Django answers: those of every route in `src/web/routes`, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from itertools import groupby
from typing import Any, cast

from django.core.exceptions import DisallowedHost, PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path

from src.web.asgi import Scope
from src.web.discovery import refuse_twins, route_modules, specificity
from src.web.django.responses import error_response, response_of
from src.web.django.routing import Route, registered
from src.web.problems import INTERNAL, NOT_ALLOWED, NOT_FOUND, Problem, problem_of

FORBIDDEN = Problem(403, "this is not allowed")
BAD_REQUEST = Problem(400, "the request cannot be read")
OTHER_HOST = Problem(400, "this host is not answered for")

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def view_of(routes: Sequence[Route]) -> View:
    """The view for all routes of one path: the method decides which."""
    by_method = {route.method: route for route in routes}
    allowed = {"Allow": ", ".join(sorted(by_method))}

    async def view(request: HttpRequest, **values: str) -> HttpResponseBase:
        assert isinstance(request, ASGIRequest)
        route = by_method.get(request.method or "")
        cast(Scope, request.scope)["route"] = (route or routes[0]).path
        try:
            request.get_host()
        except DisallowedHost:
            return error_response(OTHER_HOST)
        if route is None:
            return error_response(NOT_ALLOWED, allowed)
        try:
            result = await route.view(request, **dict(zip(route.parameters, values.values(), strict=True)))
            return response_of(result, route.status)
        except Http404:
            return error_response(NOT_FOUND)
        except PermissionDenied:
            return error_response(FORBIDDEN)
        except Exception as error:
            return error_response(problem_of(error))

    return view


def patterns() -> list[URLPattern]:
    """What Django's resolver asks, in this order.

    Raises:
        ConfigurationError: a route does not fit.
    """
    route_modules()  # which register them
    routes = sorted(registered(), key=lambda route: (specificity(route.path), route.pattern))
    refuse_twins((route.method, route.path, route.where) for route in routes)
    return [path(pattern, view_of(list(group))) for pattern, group in groupby(routes, key=lambda route: route.pattern)]


def handler400(_: HttpRequest, exception: Exception) -> HttpResponse:
    """What cannot be read as a request."""
    return error_response(BAD_REQUEST)


def handler404(_: HttpRequest, exception: Exception) -> HttpResponse:
    """No path fits."""
    return error_response(NOT_FOUND)


def handler500(_: HttpRequest) -> HttpResponse:
    """A view failed by its own fault."""
    return error_response(INTERNAL)


urlpatterns: list[Any] = patterns()
