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
from src.infrastructure.wiring.declaring import place_of

Decoder = Callable[[bytes], Any]
Reader = Callable[[bytes, Mapping[str, str]], Any]  # of payload and headers
UnknownFields = Literal["forbid", "ignore"] | None

shared: list[
    tuple[Decoder, bool]
] = []  # what all subscriptions read with, and whether that is strict, by `use_decoder`


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


def signature_of(function: Callable[..., Any], decoder: Decoder | None = None, strict: bool = False) -> Signature:
    """Reads how a handler wants to be called.

    Args:
        function: a coroutine function `(event)` or `(event, message)`; the annotation of `event` decides its form.
        decoder: reads the payload before JSON, text and bytes; see `src.toolkit.decoding`.
        strict: whether it does in place of those.

    Raises:
        ConfigurationError: it is no such function.
    """
    where = place_of(function)
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
    if decoder is None:
        decode, read = decoder_for(annotation, where), reader_for(annotation)
    else:
        from src.toolkit.decoding import own_first  # loaded only where there is a decoder

        decode, read = own_first(decoder, strict, annotation, where)
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


def decoder_of(where: str, decoder: Decoder | None, strict: bool) -> tuple[Decoder | None, bool]:
    """What a subscription reads with, and whether that is strict: its own decoder, else the service's, else none.

    Raises:
        ConfigurationError: it is to be strict, and there is none.
    """
    if decoder is not None:
        return decoder, strict
    if shared:
        return shared[0][0], strict or shared[0][1]
    if strict:
        raise ConfigurationError(f"{where}: strict says that a decoder is alone, and there is none; give it `decoder=`")
    return None, False


def problem_of(decoder: Any) -> str:
    """Why it cannot decode; empty where it can, or is None."""
    if decoder is not None and not callable(decoder):
        return f"decoder is {decoder!r}; it takes a function of the payload's bytes"
    if inspect.iscoroutinefunction(decoder):
        return f"decoder is the coroutine function {decoder.__qualname__}; write it as `def`"
    return ""


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
