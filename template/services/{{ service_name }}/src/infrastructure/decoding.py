"""From the payload's bytes to what a handler's annotation asks for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter
from pydantic_core import from_json

from src.domain.envelope import Envelope
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.own_decoder import Decoder, OwnDecoder, fit_for

Reader = Callable[[bytes, Mapping[str, str]], Any]  # of payload and headers
UnknownFields = Literal["forbid", "ignore"] | None


@dataclass(frozen=True, slots=True)
class Signature:
    """How a handler is called.

    Attributes:
        decode: from one payload to one event.
        read: what does that instead, where headers hold a part of the event; else None.
        takes_message: whether it takes the message as well.
        takes_list: whether it takes a batch: a list of events, and of messages.
    """

    decode: Decoder
    read: Reader | None
    takes_message: bool
    takes_list: bool


def signature_of(function: Callable[..., Any], own: OwnDecoder | None = None) -> Signature:
    """Reads how a handler wants to be called.

    Args:
        function: a coroutine function `(event)` or `(event, message)`; the annotation of `event` decides its form.
        own: reads the payload before that.

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
    read = reader_for(annotation)
    if own is None:
        decode = decoder_for(annotation, where)
    else:
        decode, read = _own_first(own, annotation, read, where)
    return Signature(decode, read, takes_message=len(positional) == 2, takes_list=takes_list)


def reader_for(annotation: Any) -> Reader | None:
    """What reads an annotation of which a message's headers hold a part; None for any other."""
    if isinstance(annotation, type) and issubclass(annotation, Envelope) and annotation.READS_HEADERS:
        return annotation.read
    return None


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


def _own_first(own: OwnDecoder, annotation: Any, read: Reader | None, where: str) -> tuple[Decoder, Reader | None]:
    """What reads an annotation with a decoder of the service's own, and what does so where headers hold a part."""
    try:
        fit = fit_for(annotation)
    except Exception as error:
        raise ConfigurationError(f"{where}: nothing decoded can be {annotation!r}: {error}") from error
    try:
        default = decoder_for(annotation, where)
    except ConfigurationError:  # only the decoder makes what is asked for, such as a Protobuf message
        default = lambda data: fit(decode_untyped(data))  # noqa: E731
    if read is None:
        return own.before(default, fit), None
    by_headers = read
    return own.before(default, fit), lambda data, headers: own.before(lambda it: by_headers(it, headers), fit)(data)


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
