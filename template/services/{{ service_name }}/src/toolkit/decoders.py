"""Decoders for formats other than JSON, such as MessagePack, Protobuf and Avro.

`@subscriber("orders.order.created", decoder=decode_with(msgpack.unpackb))`, or `use_decoder(msgpack.unpackb)` for the
whole service.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError

from src.infrastructure import decoding
from src.infrastructure.decoding import Decoder, Decoding, Reader, decode_untyped, place_of, reader_for
from src.infrastructure.errors import ConfigurationError, describe
from src.utils.logging import logger

_of_the_service: list[Decoder] = []


def decode_with(decoder: Decoder, *, strict: bool = False) -> Decoding:
    """Return the `decoder=` of a subscription that reads payloads with this function.

    The returned value is validated against the handler's annotation. If the function raises, that is logged, and the
    payload is read as JSON, text or bytes.

    Args:
        decoder: returns the value of the payload's bytes.
        strict: instead make a message that the decoder cannot read a dead letter.

    Raises:
        ConfigurationError: `decoder` is not such a function.
    """
    if not callable(decoder):
        raise ConfigurationError(f"decoder is {decoder!r}; use a function of the payload's bytes")
    if inspect.iscoroutinefunction(decoder):
        raise ConfigurationError(f"decoder is the coroutine function {decoder.__qualname__}; write it as `def`")
    return partial(_decoding, decoder, strict)


def use_decoder(decoder: Decoder, *, strict: bool = False) -> None:
    """Use this decoder for all subscriptions of the service without their own `decoder=`.

    You can call this in any handler file; it applies to handlers in all files, and to subscribers.

    Args:
        decoder: see `decode_with`.
        strict: see `decode_with`.

    Raises:
        ConfigurationError: the service already has another decoder, or `decoder` is not such a function.
    """
    new = decode_with(decoder, strict=strict)
    if _of_the_service and _of_the_service[0] is not decoder:
        raise ConfigurationError(
            f"use_decoder: {_name(_of_the_service[0])} is already set, so {_name(decoder)} cannot be; give one "
            f"of them as `decoder=` to its subscriptions"
        )
    _of_the_service[:] = [decoder]
    decoding.subscription_decoding = new


def _decoding(decoder: Decoder, strict: bool, annotation: Any, where: str) -> Reader:
    try:
        validate = _validator_for(annotation)
    except Exception as error:
        raise ConfigurationError(f"{where}: unsupported annotation {annotation!r}: {error}") from error
    try:
        default = reader_for(annotation, where)
    except ConfigurationError:  # only the decoder returns such a value, for example a Protobuf message
        default = lambda payload, _: validate(decode_untyped(payload))  # noqa: E731

    def read(payload: bytes, headers: Mapping[str, str]) -> Any:
        try:
            value = decoder(payload)
        except Exception as error:
            if strict:
                raise
            name, reason = _name(decoder), describe(error)
            logger.warning("decoder failed: reading JSON, text or bytes instead", decoder=name, error=reason)
            return default(payload, headers)
        return validate(value)

    return read


def _validator_for(annotation: Any) -> Decoder:
    try:
        return TypeAdapter(annotation).validate_python
    except PydanticSchemaGenerationError:  # a class unknown to pydantic, such as a Protobuf message
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True)).validate_python


def _name(decoder: Any) -> str:
    return place_of(decoder) if hasattr(decoder, "__qualname__") else repr(decoder)
