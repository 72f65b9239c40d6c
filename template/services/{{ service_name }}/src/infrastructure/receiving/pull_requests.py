"""The bookkeeping of continuous pulling: how much is asked for, and what each status of the server means.

No input or output here. The statuses are those of nats-server's pull consumers, see
https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-37.md
"""

from __future__ import annotations

from enum import Enum, auto


class Then(Enum):
    """What follows from a status."""

    IGNORE = auto()
    GO_ON = auto()
    BACK_OFF = auto()
    PROVISION = auto()
    MISCONFIGURED = auto()


class PullRequests:
    """What was asked for and has neither arrived nor been written off.

    The server serves waiting requests in turn, so one number over all of them, `pending`, is enough. A request's
    token says when it was made and how much it asked for: `<n>-<batch>`. Tokens from before `forget` are dead.
    """

    def __init__(self, prefetch: int) -> None:
        self.prefetch = prefetch
        self.pending = 0
        self._made = 0
        self._first_live = 0

    def due(self, held: int) -> int:
        """How many messages to ask for now, with `held` of them here and not started.

        What is held counts against the prefetch: a slow handler must stop the asking. Nothing is due before half of
        it is used up, so that requests stay few and large.
        """
        outstanding = self.pending + held
        return self.prefetch - outstanding if outstanding <= self.prefetch // 2 else 0

    def asked(self, batch: int) -> str:
        """Notes a request for `batch` messages and returns its token."""
        token = f"{self._made}-{batch}"
        self._made += 1
        self.pending += batch
        return token

    def arrived(self) -> None:
        """Notes one message."""
        if self.pending:
            self.pending -= 1

    def forget(self) -> None:
        """Nothing that was asked for will come: the connection is new, or the consumer's leader is."""
        self.pending = 0
        self._first_live = self._made

    def status(self, token: str, code: str, description: str, left: int | None) -> Then:
        """Takes a status message into account.

        Args:
            token: last token of the subject that it came on.
            code: its `Status` header.
            description: its `Description` header.
            left: its `Nats-Pending-Messages` header: how much of the request was not served.
        """
        number, _, batch = token.partition("-")
        if int(number) < self._first_live:
            return Then.IGNORE
        if code == "100":
            return Then.GO_ON
        about = description.lower()
        if code == "409" and "leadership change" in about:
            self.forget()
            return Then.GO_ON
        if code == "409" and "consumer deleted" in about:
            self.forget()
            return Then.PROVISION
        if code == "409" and "server shutdown" in about:
            self._written_off(left or 0)
            return Then.IGNORE  # the reconnect forgets everything
        self._written_off(int(batch) if left is None else left)
        if code == "408" or (code == "409" and left is not None):  # batch completed, message size exceeds
            return Then.GO_ON
        return Then.BACK_OFF if code in ("404", "503") else Then.MISCONFIGURED

    def _written_off(self, count: int) -> None:
        self.pending = max(self.pending - count, 0)
