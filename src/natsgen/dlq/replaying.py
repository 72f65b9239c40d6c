"""Sending letters again: each is removed when its replay is confirmed, and never before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from natsgen.dlq import consumers, headers, originals, reading
from natsgen.dlq.connection import Connection
from natsgen.dlq.letters import STREAM, Letter, Summary
from natsgen.dlq.pipeline import Tally, each
from natsgen.dlq.removing import remove
from natsgen.dlq.session import Stop
from natsgen.errors import LetterError, NatsError


@dataclass(frozen=True)
class Target:
    """Where replays go.

    Attributes:
        subject: for everyone who listens to it; None for the handler that failed.
        stream: which must confirm.
    """

    subject: str | None
    stream: str


async def target_for(connection: Connection, subject: str | None) -> Target:
    """The target of a replay to `subject`, or to the failing handlers.

    Raises:
        NatsError: no stream takes the subject.
    """
    if subject is None:
        return Target(None, STREAM)
    names = (await connection.api("STREAM.NAMES", {"subject": subject})).get("streams") or []
    if not names:
        raise NatsError(f"no stream takes {subject} at {connection.server}: nothing would be kept there")
    return Target(subject, str(names[0]))


async def unattended(connection: Connection, letters: Iterable[Summary], target: Target) -> list[str]:
    """The subjects of replays to handlers that nobody consumes."""
    subjects = {f"replay.{letter.service}.{letter.handler}" for letter in letters if letter.service}
    return await consumers.unattended(connection, subjects) if subjects and target.subject is None else []


async def replay(
    connection: Connection,
    stop: Stop,
    letters: Sequence[Summary],
    target: Target,
    tally: Tally,
    rate: float | None,
    progress: Callable[[int], None],
) -> None:
    """Replays the letters, oldest first.

    Raises:
        NatsError: it could not go on; `tally` says how far it came.
        StoppedError: the person stopped it.
    """

    async def replay_one(summary: Summary) -> None:
        letter = await reading.letter(connection, summary.id)
        await _publish(connection, letter, target)
        await remove(connection, summary.id)

    await each(letters, replay_one, tally, stop, number=lambda one: one.id, rate=rate, progress=progress)


async def _publish(connection: Connection, letter: Letter, target: Target) -> None:
    to_handler = target.subject is None
    subject = letter.replay_subject() if target.subject is None else target.subject
    payload = await originals.payload_of(connection, letter)
    sent = letter.replay_headers(to_handler=to_handler)
    if bad := next((name for name, _ in sent if not headers.NAME.fullmatch(name)), None):
        raise LetterError(f"its header {bad!r} cannot be sent: a name takes letters, digits and - and the like")
    if (size := len(payload) + headers.size(sent)) > connection.max_payload:
        instead = "; --to-subject sends it with fewer headers" if to_handler else ""
        raise LetterError(f"it takes {size} bytes with its headers, and the server {connection.max_payload}{instead}")
    acknowledged = await connection.publish(subject, payload, sent)
    if acknowledged.stream != target.stream:
        raise NatsError(
            f"{subject} was confirmed by the stream {acknowledged.stream} and not by {target.stream}: the letter stays"
        )
