"""Buckets, stores, streams and messages for synchronous code; each method is that of the same name in its original."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from datetime import datetime
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from src.infrastructure.message import Message
from src.toolkit.background import Background
from src.toolkit.kv import RAISE, Bucket, Default, Entry, Value
from src.toolkit.objects import Store
from src.toolkit.streams import Streams

Original = TypeVar("Original")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def waiting(
    method: Callable[Concatenate[Original, Parameters], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[Any, Parameters], Result]:
    """The method of a facade that calls this one of its original, and waits for it."""

    def call(facade: Any, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        result: Result = facade._background.run(method, facade._original, *args, **kwargs)
        return result

    update_wrapper(call, method)
    return call


def iterating(
    method: Callable[Concatenate[Original, Parameters], AsyncGenerator[Result, None]],
) -> Callable[Concatenate[Any, Parameters], Iterator[Result]]:
    """The method of a facade that gives what this one of its original gives, one by one."""

    def call(facade: Any, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Iterator[Result]:
        results: Iterator[Result] = facade._background.iterate(method, facade._original, *args, **kwargs)
        return results

    update_wrapper(call, method)
    return call


class SyncBucket(Generic[Value]):
    """A key-value bucket, see `src.toolkit.kv`."""

    def __init__(self, background: Background, original: Bucket[Value]) -> None:
        self._background = background
        self._original = original

    @overload
    def get(self, key: str) -> Entry[Value]: ...

    @overload
    def get(self, key: str, default: Default) -> Entry[Value] | Default: ...

    def get(self, key: str, default: Any = RAISE) -> Any:
        """The key's latest revision, else the default, else `KeyMissing`."""
        return self._background.run(self._original.get, key, default)

    def history(self, key: str) -> list[Entry[Value]]:
        """The revisions of a key that are kept, oldest first."""
        return self._background.run(self._original.history, key)

    def watch(self, match: str = ">", *, only_new: bool = False) -> Iterator[Entry[Value]]:
        """What the keys hold, and then every change, for good."""
        return self._background.iterate(self._original.watch, match, only_new=only_new)

    put = waiting(Bucket[Any].put)
    create = waiting(Bucket[Any].create)
    update = waiting(Bucket[Any].update)
    delete = waiting(Bucket[Any].delete)
    purge = waiting(Bucket[Any].purge)
    drop = waiting(Bucket[Any].drop)
    keys = iterating(Bucket[Any].keys)


class SyncStore:
    """An object store, see `src.toolkit.objects`."""

    def __init__(self, background: Background, original: Store) -> None:
        self._background = background
        self._original = original

    put = waiting(Store.put)
    get = waiting(Store.get)
    get_to = waiting(Store.get_to)
    info = waiting(Store.info)
    delete = waiting(Store.delete)
    drop = waiting(Store.drop)
    parts = iterating(Store.parts)
    list = iterating(Store.list)


class SyncMessage:
    """A message to settle by hand, see `Message` of `src.infrastructure.message`."""

    def __init__(self, background: Background, original: Message) -> None:
        self._background = background
        self._original = original

    @property
    def data(self) -> bytes:
        """The payload."""
        return self._original.data

    @property
    def subject(self) -> str:
        """The subject that it was published on."""
        return self._original.subject

    @property
    def headers(self) -> dict[str, str]:
        """The headers; empty when there are none."""
        return self._original.headers

    @property
    def sequence(self) -> int:
        """Its sequence in the stream."""
        return self._original.sequence

    @property
    def deliveries(self) -> int:
        """How many times the server has delivered it."""
        return self._original.deliveries

    @property
    def stored_at(self) -> datetime:
        """When the stream stored it, in UTC."""
        return self._original.stored_at

    ack = waiting(Message.ack)
    ack_sync = waiting(Message.ack_sync)
    nak = waiting(Message.nak)
    term = waiting(Message.term)
    in_progress = waiting(Message.in_progress)


class SyncStreams:
    """Streams and consumers, see `src.toolkit.streams`."""

    def __init__(self, background: Background, original: Streams) -> None:
        self._background = background
        self._original = original

    def pull(self, stream: str, durable: str, batch: int = 1, timeout: float = 5.0) -> list[SyncMessage]:
        """Messages to settle by hand; empty when none came in time."""
        found = self._background.run(self._original.pull, stream, durable, batch, timeout)
        return [SyncMessage(self._background, message) for message in found]

    create = waiting(Streams.create)
    info = waiting(Streams.info)
    purge = waiting(Streams.purge)
    delete = waiting(Streams.delete)
    create_consumer = waiting(Streams.create_consumer)
    consumer = waiting(Streams.consumer)
    delete_consumer = waiting(Streams.delete_consumer)
    consumers = iterating(Streams.consumers)
    list = iterating(Streams.list)
