"""What a view returns, and what it raises, as responses of Django's."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseBase
from pydantic_core import to_json

from src.infrastructure.watching.operations import JSON
from src.web.problems import Problem


def response_of(result: Any, status: int) -> HttpResponseBase:
    """A response with what a view returned: a response as it is, anything else as JSON."""
    if isinstance(result, HttpResponseBase):
        return result
    return _json(to_json(result), status, {})


def error_response(problem: Problem, headers: dict[str, str] | None = None) -> HttpResponse:
    """A response that is an error."""
    return _json(problem.body, problem.status, headers or {})


def _json(body: bytes, status: int, headers: dict[str, str]) -> HttpResponse:
    common = {"Content-Type": JSON, "Content-Length": str(len(body))}
    return HttpResponse(body, status=status, headers=common | headers)
