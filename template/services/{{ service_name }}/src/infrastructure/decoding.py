"""From the payload's bytes to what a handler's annotation asks for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter
from pydantic_core import from_json

from src.infrastructure.errors import ConfigurationError

Decoder = Callable[[bytes], Any]
UnknownFields = Literal["forbid", "ignore"] | None


@dataclass(frozen=True, slots=True)
class Signature:
    """How a handler is called.

    Attributes:
        decode: from one payload to one event.
        takes_message: whether it takes the message as well.
        takes_list: whether it takes a batch: a list of events, and of messages.
    """

    decode: Decoder
    takes_message: bool
    takes_list: bool


def signature_of(function: Callable[..., Any]) -> Signature:
    """Reads how a handler wants to be called.

    Args:
        function: a coroutine function `(event)` or `(event, message)`; the annotation of `event` decides its form.

    Raises:
        ConfigurationError: it is no such function.
    """
    where = f"{function.__module__}.{function.__qualname__}"
    if not inspect.iscoroutinefunction(function):
        raise ConfigurationError(f"{where} is no coroutine function; write it as `async def`")
    parameters = list(inspect.signature(function).parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required_elsewhere = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if len(positional) not in (1, 2) or required_elsewhere:
        raise ConfigurationError(
            f"{where} takes {len(parameters)} parameters; a handler takes (event) or (event, message)"
        )
    try:
        annotation = get_type_hints(function).get(positional[0].name, Any)
    except NameError as error:
        raise ConfigurationError(
            f"{where}: {error}; import what its annotations name outside of TYPE_CHECKING"
        ) from error
    takes_list = annotation is list or get_origin(annotation) is list
    if takes_list:
        annotation = (*get_args(annotation), Any)[0]
    return Signature(decoder_for(annotation, where), takes_message=len(positional) == 2, takes_list=takes_list)


def decoder_for(annotation: Any, where: str, unknown_fields: UnknownFields = None) -> Decoder:
    """The decoder for one annotation.

    A decoder takes the payload and returns the value; it raises `ValueError` for a payload that does not fit.

    Args:
        annotation: what is asked for.
        where: that was, for the error's message.
        unknown_fields: whether fields that a model does not have are refused; None leaves it to the model.

    Raises:
        ConfigurationError: nothing can be decoded into the annotation.
    """
    if annotation is Any:
        return decode_untyped
    if annotation is bytes:
        return bytes
    if annotation is str:
        return bytes.decode
    try:
        validate = TypeAdapter(annotation).validator.validate_json  # `validate_json` without its detour
    except Exception as error:
        raise ConfigurationError(f"{where}: a payload cannot be validated into {annotation!r}: {error}") from error
    return partial(validate, extra=unknown_fields) if unknown_fields else validate


def decode_untyped(data: bytes) -> Any:
    """The payload of a handler without annotation: JSON, else text, else the bytes as they are."""
    try:
        return from_json(data)
    except ValueError:
        pass
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
