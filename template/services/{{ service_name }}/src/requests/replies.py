"""What travels in a reply: `{"result": ...}` or `{"error": {"code", "message", "details"}}`, and an error's headers."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, Generic, TypeVar

from nats.aio.msg import Msg
from nats.micro.request import ERROR_CODE_HEADER, ERROR_HEADER
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from src.infrastructure.errors import ConfigurationError, InvalidReply, RemoteError
from src.infrastructure.handling.origin import one_line

Encoder = Callable[[Any], bytes]
Reader = Callable[[Msg], Any]
Result = TypeVar("Result")

INVALID, INTERNAL, UNAVAILABLE, TOO_SLOW = "422", "500", "503", "504"  # as HTTP's

MOST_DETAILS = 20  # of what does not fit into a request: one reply must hold them
HEADER_LIMIT = 500  # characters of an error's message in its header


def encoder_for(annotation: Any, where: str) -> Encoder:
    """What makes the reply's payload of a result.

    Args:
        annotation: the type that the action returns. `bytes` are the payload as they are, Protobuf for one; without an
            annotation, anything that JSON can hold.
        where: the annotation is, for the error's message.

    Raises:
        ConfigurationError: nothing can be made of the annotation.
    """
    if annotation is bytes:
        return bytes
    if annotation is Any:
        return lambda value: b'{"result":%b}' % to_json(value)
    try:
        dump = TypeAdapter(annotation).serializer.to_json  # `dump_json` without its detour
    except Exception as error:
        raise ConfigurationError(f"{where}: no reply can be made of {annotation!r}: {error}") from error
    # a result that is not what the action says to return is the action's error, not its caller's
    return lambda value: b'{"result":%b}' % dump(value, by_alias=True, warnings="error")


def error_reply(code: str, message: str, details: Any = None) -> bytes:
    """The payload of an error."""
    return to_json({"error": {"code": code, "message": message, "details": details}}, fallback=str)


def error_headers(code: str, message: str) -> dict[str, str]:
    """The headers of an error, by which the NATS micro service protocol knows it."""
    return {ERROR_CODE_HEADER: one_line(code), ERROR_HEADER: one_line(message)[:HEADER_LIMIT]}


def what_does_not_fit(error: ValueError) -> list[dict[str, Any]]:
    """Where and why a request does not fit, without the values that it holds."""
    if not isinstance(error, ValidationError):
        return [{"type": "invalid", "loc": [], "msg": "the payload cannot be read as what the action takes"}]
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [dict(problem) for problem in found[:MOST_DETAILS]]


class Reply(BaseModel, Generic[Result]):
    """A reply with its result."""

    result: Result


@lru_cache(maxsize=1000)
def reader_for(response: Hashable) -> Reader:
    """What gets the result out of a reply.

    Args:
        response: the type that the result has; None for what its JSON says, `bytes` for the payload as it is.

    A reader raises RemoteError for a reply that is an error, and InvalidReply for one that is something else.
    """
    if response is bytes:
        return _payload
    validate = _model_for(Any if response is None else response).model_validate_json

    def read(message: Msg) -> Any:
        if message.headers:
            _raise_error(message)
        try:
            return validate(message.data).result
        except ValueError as error:
            _raise_error_without_headers(message)
            raise InvalidReply(f"the reply holds no such result: {what_does_not_fit(error)}") from None

    return read


def _model_for(result: Any) -> type[Reply[Any]]:
    return Reply[result]


def _payload(message: Msg) -> bytes:
    _raise_error(message)
    return message.data


def _raise_error(message: Msg) -> None:
    headers = message.headers or {}
    if ERROR_CODE_HEADER in headers:
        _raise_error_without_headers(message)
        raise RemoteError(headers[ERROR_CODE_HEADER], headers.get(ERROR_HEADER, ""))


def _raise_error_without_headers(message: Msg) -> None:
    try:
        error = from_json(message.data)["error"]
        remote = RemoteError(str(error["code"]), str(error["message"]), error.get("details"))
    except (ValueError, TypeError, KeyError, IndexError):
        return
    raise remote
