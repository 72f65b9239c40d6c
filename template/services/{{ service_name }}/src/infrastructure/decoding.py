"""Decodes a payload into what the handler's annotation asks for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter
from pydantic_core import from_json

from src.domain.events import Envelope
from src.infrastructure.errors import ConfigurationError

Decoder = Callable[[bytes], Any]
Reader = Callable[[bytes, Mapping[str, str]], Any]  # of payload and headers
Decoding = Callable[[Any, str], Reader]  # of an annotation, and of the place to name in errors


@dataclass(frozen=True, slots=True)
class Signature:
    """How a handler is called.

    Attributes:
        decode: decodes one payload, with the headers beside it.
        takes_message: whether the handler takes the message as well.
        takes_list: whether it takes a batch: a list of events, and of messages.
    """

    decode: Reader
    takes_message: bool
    takes_list: bool


def place_of(function: Callable[..., Any]) -> str:
    """Return where a function is written, for messages: its module and its name."""
    return f"{function.__module__}.{function.__qualname__}"


def annotations_of(function: Callable[..., Any], counts: range, form: str) -> tuple[list[Any], Any]:
    """Return the annotations of a coroutine function's parameters and of its result, `Any` for those without one.

    A parameter `resources` is left out; see resources.py.

    Args:
        function: the function.
        counts: how many parameters it may take.
        form: which they are, for the error message.

    Raises:
        ConfigurationError: it is not a coroutine function, or takes other parameters.
    """
    where = place_of(function)
    if not inspect.iscoroutinefunction(function):
        raise ConfigurationError(f"{where} is not a coroutine function; write it as `async def`")
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "resources"]
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) not in counts or any(p.default is p.empty for p in parameters if p not in positional):
        raise ConfigurationError(f"{where} takes {', '.join(p.name for p in parameters) or 'nothing'}; {form}")
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise ConfigurationError(f"{where}: {error}; import what its annotations name outside TYPE_CHECKING") from error
    return [hints.get(p.name, Any) for p in positional], hints.get("return", Any)


def signature_of(function: Callable[..., Any], decoding: Decoding | None = None) -> Signature:
    """Return how a handler is called, from its parameters and their annotations.

    Args:
        function: a coroutine function `(event)` or `(event, message)`.
        decoding: chooses the decoder; by default the annotation alone does.

    Raises:
        ConfigurationError: the function cannot be a handler.
    """
    form = "a handler takes event, or event and message, and last `resources` if it needs them"
    types, _ = annotations_of(function, range(1, 3), form)
    annotation = types[0]
    takes_list = annotation is list or get_origin(annotation) is list
    if takes_list:
        annotation = (*get_args(annotation), Any)[0]
    decode = (decoding or reader_for)(annotation, place_of(function))
    return Signature(decode, takes_message=len(types) == 2, takes_list=takes_list)


def reader_for(annotation: Any, where: str) -> Reader:
    """Return what decodes a message for an annotation: an envelope may read a part of it from the headers.

    Raises:
        ConfigurationError: nothing can be decoded into the annotation.
    """
    if isinstance(annotation, type) and issubclass(annotation, Envelope) and annotation.READS_HEADERS:
        return annotation.read
    decode = decoder_for(annotation, where)
    return lambda payload, _: decode(payload)


subscription_decoding: Decoding = reader_for  # for subscriptions without `decoder=`; see the extra `decoders`


def decoder_for(annotation: Any, where: str) -> Decoder:
    """Return the decoder for an annotation: it returns the value, or raises ValueError for an invalid payload.

    Args:
        annotation: the annotation.
        where: its function, for the error message.

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
        return TypeAdapter(annotation).validator.validate_json  # TypeAdapter.validate_json adds a call
    except Exception as error:
        raise ConfigurationError(f"{where}: a payload cannot be validated into {annotation!r}: {error}") from error


def decode_untyped(data: bytes) -> Any:
    """Return the payload for a handler without annotation: JSON, else text, else the bytes."""
    decoders: tuple[Decoder, ...] = (from_json, bytes.decode)
    for decode in decoders:
        with suppress(ValueError):
            return decode(data)
    return data
