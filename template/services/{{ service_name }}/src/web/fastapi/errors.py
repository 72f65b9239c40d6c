"""FastAPI's error responses in the gateway's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from src.requests.replies import MAX_PROBLEMS
from src.web.asgi import JSON
from src.web.problems import EXPECTED, Problem, invalid, problem_of


class ErrorDetail(BaseModel):
    """An error."""

    code: str
    message: str
    details: Any = None


class ErrorBody(BaseModel):
    """The body of every error response."""

    error: ErrorDetail


RESPONSES: dict[int | str, dict[str, Any]] = {
    422: {"model": ErrorBody, "description": "The request is invalid"},
    "default": {"model": ErrorBody, "description": "Any other error"},
}
"""The errors in the OpenAPI document."""


def add_error_handlers(application: FastAPI) -> None:
    """Make the application answer every error in the gateway's form."""
    application.add_exception_handler(HTTPException, _http_error)
    application.add_exception_handler(RequestValidationError, _invalid)
    for kind in (*EXPECTED, Exception):
        application.add_exception_handler(kind, _failed)


async def _http_error(_: Request, error: Exception) -> Response:
    error = cast(HTTPException, error)
    text = error.detail if isinstance(error.detail, str) else "error"
    details = None if text == error.detail else error.detail
    return _response(Problem(error.status_code, text, details), error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    problems = cast(RequestValidationError, error).errors()[:MAX_PROBLEMS]
    # without the values, which are the client's own
    return _response(invalid([{name: problem[name] for name in ("type", "loc", "msg")} for problem in problems]))


async def _failed(_: Request, error: Exception) -> Response:
    return _response(problem_of(error))


def _response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    return Response(problem.body, problem.status, headers, JSON)
