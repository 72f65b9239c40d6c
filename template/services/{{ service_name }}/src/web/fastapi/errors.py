"""Every error of a FastAPI application in the form that the whole gateway answers in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from src.infrastructure.watching.operations import JSON
from src.requests.replies import MOST_DETAILS
from src.web.problems import FORESEEN, NOT_ALLOWED, NOT_FOUND, Problem, does_not_fit, problem_of

SAID = ("type", "loc", "msg")  # of what does not fit; its value is the client's own


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str
    message: str
    details: Any = None


class ErrorBody(BaseModel):
    """The body of every response that is an error."""

    error: ErrorDetail


RESPONSES: dict[int | str, dict[str, Any]] = {
    422: {"model": ErrorBody, "description": "The request does not fit"},
    "default": {"model": ErrorBody, "description": "Any other error"},
}
"""The errors in the OpenAPI document."""


def add_error_handlers(application: FastAPI) -> None:
    """Has the application answer every error in the gateway's form."""
    application.add_exception_handler(HTTPException, _http_error)
    application.add_exception_handler(RequestValidationError, _invalid)
    for kind in (*FORESEEN, Exception):
        application.add_exception_handler(kind, _failed)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = {404: NOT_FOUND, 405: NOT_ALLOWED} if error.detail in ("Not Found", "Method Not Allowed") else {}
    problem = known.get(error.status_code)
    if problem is None:
        text = isinstance(error.detail, str)
        problem = Problem(error.status_code, error.detail if text else "error", None if text else error.detail)
    return _response(problem, error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()[:MOST_DETAILS]
    return _response(does_not_fit([{name: one[name] for name in SAID} for one in found]))


async def _failed(_: Request, error: Exception) -> Response:
    return _response(problem_of(error))


def _response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    return Response(problem.body, problem.status, headers, JSON)
