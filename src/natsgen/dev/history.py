"""Remember the newest few thousand messages and what became of each, in bounded memory."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from natsgen.dev.traces import Stored, identified

RECORDS = 5_000  # messages that are kept
PAYLOAD = 64 * 1024  # bytes of each
BYTES = 64 * 1024 * 1024  # of all payloads and headers together
SUBJECTS = 2_000  # that are counted one by one: a subject may hold an id
LIFE = 40  # entries of one message's life
EARLY = 2_000  # settlements kept that were seen before their message was
TEXT = 8_000  # characters of an entry's text, and of its stack
OVERHEAD = 500  # bytes that a message or an entry takes beside its content
SAME_FAILURE = 2.0  # seconds between a worker's log line and the answer to the server that belongs to it


@dataclass(slots=True)
class Entry:
    """One thing that happened to a message.

    Attributes:
        time: when, in epoch seconds.
        who: `<service>.<handler>`, or the consumer's name.
        what: `handled`, `failed`, `dead`, `replayed`, or `log`.
        text: details for the reader.
        stack: the error's stack.
        attempt: the number of the attempt, if it is known.
    """

    time: float
    who: str
    what: str
    text: str = ""
    stack: str = ""
    attempt: int = 0

    def is_same_failure(self, other: Entry) -> bool:
        """Return whether both report one failure: the log or dead letter has the reason, and the answer has not."""
        is_one = (self.what, self.attempt) == (other.what, other.attempt) and self.what in ("failed", "dead")
        return is_one and abs(self.time - other.time) < SAME_FAILURE and not (self.stack and other.stack)


@dataclass(slots=True)
class Record(Stored):
    """One message; its stream is empty if none stores it.

    Attributes:
        number: counts all messages that were seen.
        version: grows with every change of any message.
        payload: its beginning.
        size: bytes of the whole payload.
        life: what happened to it, in the order in which it was seen.
        outcomes: the latest outcome by handler.
        weight: the approximate bytes of memory that it uses.
    """

    number: int
    version: int
    time: float
    headers: Mapping[str, str]
    payload: bytes
    size: int
    life: deque[Entry] = field(default_factory=lambda: deque(maxlen=LIFE))
    outcomes: dict[str, str] = field(default_factory=dict)
    weight: int = 0

    def fits(self, text: str) -> bool:
        """Return whether a text, in lower case, is in its subject, ids, or in a handler's name."""
        return any(text in one.lower() for one in (self.subject, self.correlation, self.id, *self.outcomes))

    def summary(self) -> dict[str, Any]:
        """Return the message as a row."""
        return {
            "number": self.number,
            "time": self.time,
            "subject": self.subject,
            "id": self.id,
            "correlation": self.correlation,
            "causation": self.causation,
            "size": self.size,
            "outcomes": self.outcomes,
            "failures": sum(entry.what in ("failed", "dead") for entry in self.life),
        }


class History:
    """The newest messages, and the counts of all.

    Attributes:
        handlers: `<service>.<handler>` by the name of the consumer.
        published: how many messages were seen, by subject.
        settled: how many messages a consumer has settled, by its name.
        total: how many messages were seen.
    """

    def __init__(self) -> None:
        self.handlers: dict[str, str] = {}
        self.published: Counter[str] = Counter()
        self.settled: Counter[str] = Counter()
        self.total = 0
        self._version = 0
        self._bytes = 0
        self._records: OrderedDict[int, Record] = OrderedDict()
        self._places: dict[tuple[str, int], Record] = {}
        self._ids: dict[str, Record] = {}
        self._early: OrderedDict[tuple[str, int] | str, list[Entry]] = OrderedDict()

    def add(
        self,
        subject: str,
        payload: bytes,
        headers: Mapping[str, str],
        *,
        stream: str = "",
        sequence: int = 0,
        stored_at: float | None = None,
    ) -> Record:
        """Add a message, and return its record."""
        self.total += 1
        self.published[subject if subject in self.published or len(self.published) < SUBJECTS else "(others)"] += 1
        found = identified(stream or "core", sequence or self.total, subject, headers)
        record = Record(
            stream,
            sequence,
            subject,
            found.id,
            found.correlation,
            found.causation,
            number=self.total,
            version=self._next(),
            time=time.time() if stored_at is None else stored_at,
            headers=headers,
            payload=payload[:PAYLOAD],
            size=len(payload),
        )
        self._records[record.number] = record
        self._ids[record.id] = record
        early = self._early.pop(record.id, [])
        self._weigh(record, len(record.payload) + sum(len(name) + len(value) for name, value in headers.items()))
        if stream:
            self._places[stream, sequence] = record
            early += self._early.pop((stream, sequence), [])
            self._of_original(record)
        for entry in sorted(early, key=lambda one: one.time):
            self._note(record, entry)
        while len(self._records) > RECORDS or self._bytes > BYTES:
            self._forget_oldest()
        return record

    def settle(self, stream: str, sequence: int, consumer: str, answer: bytes, deliveries: int) -> None:
        """Note a consumer's answer to the server: `+ACK`, `-NAK {"delay": ...}` or `+TERM <reason>`."""
        what = {b"": "handled", b"+ACK": "handled", b"-NAK": "failed", b"+TERM": "dead"}.get(answer.split(b" ")[0][:5])
        if what is None:
            return  # such as +WPI: in progress
        if what != "failed":
            self.settled[consumer] += 1
        who = self.handlers.get(consumer) or self.handlers.get(consumer.removesuffix("-replay")) or consumer
        entry = Entry(time.time(), who, what, _reason(answer), attempt=deliveries)
        self._note_or_keep(self._places.get((stream, sequence)), (stream, sequence), entry)

    def log(self, service: str, line: Mapping[str, Any]) -> None:
        """Note a line that a worker logged about a message."""
        identity = str(line.get("message_id", ""))
        if not identity or not line.get("handler") or line.get("message") == "dead letter":
            return  # for a dead letter, the letter itself has the reason
        entry = Entry(time.time(), f"{service}.{line['handler']}", "log", str(line["message"])[:TEXT])
        if "error" in line:
            entry.what = "failed"
            entry.text = f"{line['message']}: {line['error']}"[:TEXT]
            if "delay_seconds" in line:
                entry.text += f" (again in {line['delay_seconds']} s)"
            entry.attempt = line["attempt"] if isinstance(line.get("attempt"), int) else 0
            entry.stack = str(line.get("exception") or "")[-TEXT:]
        self._note_or_keep(self._ids.get(identity), identity, entry)

    def record(self, number: int) -> Record | None:
        """Return a message by its number; None if it is no longer kept."""
        return self._records.get(number)

    def chain(self, correlation: str) -> list[Record]:
        """Return the messages of a correlation id that are kept, oldest first."""
        return [one for one in self._records.values() if correlation in (one.correlation, one.id)]

    def newest(self, text: str, count: int) -> list[Record]:
        """Return the newest messages that fit a text, newest first."""
        wanted = text.strip().lower()
        return list(islice((one for one in reversed(self._records.values()) if one.fits(wanted)), count))

    def _of_original(self, letter: Record) -> None:
        """Note a dead letter, or its replay, in the life of its original message."""
        place = letter.headers.get("Dlq-Stream", ""), letter.headers.get("Dlq-Sequence", "")
        original = self._places.get((place[0], int(place[1]) if place[1].isdecimal() else 0))
        if original is None:
            return
        headers, service = letter.headers, letter.headers.get("Dlq-Service", "")
        who = f"{service}.{headers.get('Dlq-Handler', '')}"
        if letter.subject.startswith("replay."):
            self._note(original, Entry(letter.time, who, "replayed", "sent to its handler again"))
            return
        error = ": ".join(filter(None, (headers.get("Dlq-Error-Type"), headers.get("Dlq-Error"))))
        stack = headers.get("Dlq-Stack", "").replace("\\n", "\n")
        attempts = headers.get("Dlq-Attempts", "")
        attempt = int(attempts) if attempts.isdecimal() else 0
        text = f"{headers.get('Dlq-Reason', '')}{f': {error}' if error else ''}"
        self._note(original, Entry(letter.time, who, "dead", text, stack, attempt))

    def _note_or_keep(self, record: Record | None, key: tuple[str, int] | str, entry: Entry) -> None:
        """Note an entry, or keep it until its message is seen."""
        if record:
            self._note(record, entry)
            return
        kept = self._early.setdefault(key, [])
        if len(kept) < LIFE:
            kept.append(entry)
        if len(self._early) > EARLY:
            self._early.popitem(last=False)

    def _note(self, record: Record, entry: Entry) -> None:
        record.version = self._next()
        self._weigh(record, len(entry.text) + len(entry.stack))
        before = next((one for one in reversed(record.life) if one.who == entry.who and one.what == entry.what), None)
        if before is not None and before.is_same_failure(entry):
            before.text = max(before.text, entry.text, key=len)
            before.stack = before.stack or entry.stack
        else:
            record.life.append(entry)
        if entry.what != "log":
            record.outcomes[entry.who] = entry.what
        original = record.headers.get("Dlq-Stream"), record.headers.get("Dlq-Sequence", "")
        if record.subject.startswith("replay.") and entry.what in ("handled", "failed") and original[1].isdecimal():
            of = self._places.get((str(original[0]), int(original[1])))
            if of and of is not record:
                self._note(of, entry)

    def _weigh(self, record: Record, size: int) -> None:
        record.weight += size + OVERHEAD
        self._bytes += size + OVERHEAD

    def _forget_oldest(self) -> None:
        _, record = self._records.popitem(last=False)
        self._bytes -= record.weight
        self._places.pop((record.stream, record.sequence), None)
        if self._ids.get(record.id) is record:
            del self._ids[record.id]

    def _next(self) -> int:
        self._version += 1
        return self._version


def _reason(answer: bytes) -> str:
    """Return the details of an answer to the server: a reason, or when the message is redelivered."""
    _, _, rest = answer.partition(b" ")
    text = rest.decode(errors="replace")
    delay = text.removeprefix('{"delay": ').removesuffix("}")
    return f"again in {int(delay) / 1e9:.1f} s" if delay.isdecimal() and text != delay else text
