"""Payloads of other formats (MessagePack, Protobuf, Avro): a decoder of one's own, before JSON, text and bytes.

`@subscriber("orders.order.created", decoder=msgpack.unpackb)`, or `use_decoder(msgpack.unpackb)` for the whole service.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError

from src.infrastructure.errors import ConfigurationError, named
from src.infrastructure.handling.decoding import (
    Decoder,
    Reader,
    decode_untyped,
    decoder_for,
    problem_of,
    reader_for,
    shared,
)
from src.utils.logging import logger


def use_decoder(decoder: Decoder, *, strict: bool = False) -> None:
    """Has everything that the service subscribes to read with this decoder, but for what has a `decoder=` of its own.

    Called in a file of handlers, it holds for the handlers of all files, and for the subscribers.

    Args:
        decoder: from the payload to whatever it holds; that it raises says that it cannot.
        strict: whether what it cannot read is a dead letter at once; without, JSON, text and bytes are tried.

    Raises:
        ConfigurationError: the service has another already, or this is no function that can decode.
    """
    if problem := problem_of(decoder):
        raise ConfigurationError(f"use_decoder: {problem}")
    if shared and shared[0][0] is not decoder:
        raise ConfigurationError(
            f"use_decoder: there is {_name(shared[0][0])} already, and then {_name(decoder)}; "
            f"give one of them as `decoder=` to its subscriptions"
        )
    shared[:] = [(decoder, strict)]


def own_first(decoder: Decoder, strict: bool, annotation: Any, where: str) -> tuple[Decoder, Reader | None]:
    """What reads an annotation with a decoder of one's own, and what does so where headers hold a part of it.

    Args:
        decoder: from the payload to whatever it holds; that it raises says that it cannot.
        strict: whether what it cannot read is invalid; without, it is read as if there were no decoder, and logged.
        annotation: what is asked for; what was decoded is checked against it, and models are made of mappings.
        where: that was, for the error's message.

    Raises:
        ConfigurationError: nothing decoded can be what is asked for.
    """
    try:
        fit = _fit_for(annotation)
    except Exception as error:
        raise ConfigurationError(f"{where}: nothing decoded can be {annotation!r}: {error}") from error
    try:
        default = decoder_for(annotation, where)
    except ConfigurationError:  # only the decoder makes what is asked for, such as a Protobuf message
        default = lambda data: fit(decode_untyped(data))  # noqa: E731

    def read(otherwise: Decoder, payload: bytes) -> Any:
        try:
            value = decoder(payload)
        except Exception as error:
            if strict:
                raise
            said = "the decoder failed: taken for JSON, text or bytes"
            logger.warning(said, decoder=_name(decoder), error=named(error))
            return otherwise(payload)
        return fit(value)

    by_headers = reader_for(annotation)
    if by_headers is None:
        return partial(read, default), None
    return partial(read, default), lambda data, headers: read(lambda payload: by_headers(payload, headers), data)


def _fit_for(annotation: Any) -> Decoder:
    if annotation is Any:
        return lambda value: value
    try:
        return TypeAdapter(annotation).validate_python
    except PydanticSchemaGenerationError:  # a class that pydantic knows nothing of, such as a Protobuf message's
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True)).validate_python


def _name(decoder: Any) -> str:
    return f"{getattr(decoder, '__module__', '?')}.{getattr(decoder, '__qualname__', repr(decoder))}"
