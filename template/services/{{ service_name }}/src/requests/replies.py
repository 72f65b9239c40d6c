"""The form of replies: `{"result": ...}` or `{"error": {"code", "message", "details"}}`, and headers with an error."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, Generic, TypeVar

from nats.aio.msg import Msg
from nats.micro.request import ERROR_CODE_HEADER, ERROR_HEADER
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from src.infrastructure.dead_letters import one_line
from src.infrastructure.errors import ConfigurationError
from src.requests.errors import InvalidReply, RemoteError

Result = TypeVar("Result")

INVALID, INTERNAL, UNAVAILABLE, TOO_SLOW = "422", "500", "503", "504"  # as in HTTP

MAX_PROBLEMS = 20  # of an invalid request, so that they fit into one reply
INTERNAL_MESSAGE = "internal error"
HEADER_LIMIT = 500  # characters of an error's message in its header


def encoder_for(annotation: Any, where: str) -> Callable[[Any], bytes]:
    """Return the function that turns a result into the reply's payload.

    Args:
        annotation: the type that the action returns. `bytes`, such as Protobuf, are sent unchanged; without an
            annotation, any JSON data.
        where: the place of the annotation, for the error's message.

    Raises:
        ConfigurationError: the type cannot be written as JSON.
    """
    if annotation is bytes:
        return bytes
    if annotation is Any:
        return lambda value: b'{"result":%b}' % to_json(value)
    try:
        dump = TypeAdapter(annotation).serializer.to_json  # faster than `dump_json`
    except Exception as error:
        raise ConfigurationError(f"{where}: {annotation!r} cannot be written as JSON: {error}") from error
    # a result that is not of the declared type is an error of the action, not of its caller
    return lambda value: b'{"result":%b}' % dump(value, by_alias=True, warnings="error")


def error_reply(code: str, message: str, details: Any = None) -> bytes:
    """Return the payload of an error."""
    return to_json({"error": {"code": code, "message": message, "details": details}}, fallback=str)


def error_headers(code: str, message: str) -> dict[str, str]:
    """Return the headers that mark an error in the NATS micro service protocol."""
    return {ERROR_CODE_HEADER: one_line(code), ERROR_HEADER: one_line(message)[:HEADER_LIMIT]}


def problems_of(error: ValueError) -> list[dict[str, Any]]:
    """Return where and why a payload is invalid, without the values in it."""
    if not isinstance(error, ValidationError):
        return [{"type": "invalid", "loc": [], "msg": "the payload cannot be decoded"}]
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [dict(problem) for problem in found[:MAX_PROBLEMS]]


class Reply(BaseModel, Generic[Result]):
    """A reply with its result."""

    result: Result


@lru_cache(maxsize=1000)
def reader_for(response: Hashable) -> Callable[[Msg], Any]:
    """Return the function that reads the result from a reply; it raises RemoteError and InvalidReply.

    Args:
        response: the type of the result; None for any JSON, `bytes` for the payload unchanged.
    """
    validate = _model_of(Any if response is None else response).model_validate_json

    def read(reply: Msg) -> Any:
        if reply.headers and ERROR_CODE_HEADER in reply.headers:
            raise _error_in(reply) or RemoteError(reply.headers[ERROR_CODE_HEADER], reply.headers.get(ERROR_HEADER, ""))
        if response is bytes:
            return reply.data
        try:
            return validate(reply.data).result
        except ValueError as error:
            raise _error_in(reply) or InvalidReply(f"the reply has no valid result: {problems_of(error)}") from None

    return read


def _model_of(result: Any) -> type[Reply[Any]]:
    return Reply[result]


def _error_in(reply: Msg) -> RemoteError | None:
    """Return the error in a reply's JSON."""
    try:
        error = from_json(reply.data)["error"]
        return RemoteError(str(error["code"]), str(error["message"]), error.get("details"))
    except (ValueError, TypeError, KeyError, IndexError):
        return None
