"""Payloads of other formats (MessagePack, Protobuf, Avro): a decoder of one's own, before JSON, text and bytes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError

from src.infrastructure.errors import ConfigurationError, named
from src.utils.logging import logger

Decoder = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class OwnDecoder:
    """How a subscription reads what is no JSON.

    Attributes:
        decode: from the payload to whatever it holds; that it raises says that it cannot.
        strict: whether what it cannot read is invalid. It is read as if there were no decoder, and logged, where not.
    """

    decode: Decoder
    strict: bool = False

    def before(self, default: Decoder, fit: Decoder) -> Decoder:
        """What reads a payload with this decoder, else with `default`.

        Args:
            default: reads a payload that the decoder cannot read.
            fit: from what the decoder made to what the annotation asks for; it raises `ValueError` where that is
                something else.
        """
        decode, strict = self.decode, self.strict

        def read(payload: bytes) -> Any:
            try:
                value = decode(payload)
            except Exception as error:
                if strict:
                    raise
                logger.warning(
                    "the decoder failed: taken for JSON, text or bytes", decoder=_name(decode), error=named(error)
                )
                return default(payload)
            return fit(value)

        return read


_shared: list[OwnDecoder] = []


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
    if _shared and _shared[0].decode is not decoder:
        raise ConfigurationError(
            f"use_decoder: there is {_name(_shared[0].decode)} already, and then {_name(decoder)}; "
            f"give one of them as `decoder=` to its subscriptions"
        )
    _shared[:] = [OwnDecoder(decoder, strict)]


def decoder_of(where: str, decoder: Decoder | None, strict: bool) -> tuple[Decoder | None, bool]:
    """What a subscription reads with, and whether that is strict: its own decoder, else the service's, else none.

    Raises:
        ConfigurationError: it is to be strict, and there is none.
    """
    if decoder is not None:
        return decoder, strict
    if _shared:
        return _shared[0].decode, strict or _shared[0].strict
    if strict:
        raise ConfigurationError(f"{where}: strict says that a decoder is alone, and there is none; give it `decoder=`")
    return None, False


def problem_of(decoder: Any) -> str:
    """Why it cannot decode; empty where it can."""
    if not callable(decoder):
        return f"decoder is {decoder!r}; it takes a function of the payload's bytes"
    if inspect.iscoroutinefunction(decoder):
        return f"decoder is the coroutine function {_name(decoder)}; write it as `def`"
    return ""


def fit_for(annotation: Any) -> Decoder:
    """What checks that a decoded value is what an annotation asks for; models are made of mappings.

    Raises:
        Exception: nothing can be checked against the annotation.
    """
    if annotation is Any:
        return lambda value: value
    try:
        return TypeAdapter(annotation).validate_python
    except PydanticSchemaGenerationError:  # a class that pydantic knows nothing of, such as a Protobuf message's
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True)).validate_python


def _name(decoder: Any) -> str:
    return f"{getattr(decoder, '__module__', '?')}.{getattr(decoder, '__qualname__', repr(decoder))}"
