"""Ask a service's code, in the service's environment, for its parts and whether a payload is valid."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from natsgen.contracts import reading
from natsgen.contracts.reading import End, Surface
from natsgen.dev import environment
from natsgen.errors import InputError, ServiceError
from natsgen.files.workspace import SERVICES
from natsgen.harness.environment import environment_for
from natsgen.harness.errors import HarnessError, last_lines
from natsgen.messages import did_you_mean, join_names, quote
from natsgen.parts.handlers import stream_for
from natsgen.parts.sends import ENQUEUES

PROBE = Path(__file__).with_name("probe.py")
PROBE_SECONDS = 60.0  # for imports on a machine that starts five services at once


@dataclass(frozen=True)
class Part:
    """A handler, task, action or subscriber.

    Attributes:
        kind: which of them.
        name: its registered name.
        file: its path in the service's folder.
        subject: the subject that it receives messages from.
        durable: its JetStream consumer; empty if it has none.
        publishes: subjects that it declares to publish to.
        schema: the JSON schema of its payload; None if it has none, or accepts anything.
        timeout: seconds that an action may take.
        options: further options of a handler or a task.
    """

    kind: str
    name: str
    file: str
    subject: str
    durable: str = ""
    publishes: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    timeout: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_stored(self) -> bool:
        """Return whether a stream stores its messages."""
        return bool(self.durable)


@dataclass(frozen=True)
class Catalog:
    """The parts of a service.

    Attributes:
        service: its name in subjects and durables, as its settings say.
        publishes: subjects that the service publishes to, as far as its code says.
        parts: in the order of their kinds and files.
    """

    service: str
    publishes: tuple[str, ...] = ()
    parts: tuple[Part, ...] = field(default=())

    def part(self, name: str, *kinds: str) -> Part:
        """Return the part with this name and one of these kinds.

        Raises:
            InputError: the part does not exist.
        """
        parts = [part for part in self.parts if part.kind in kinds]
        for part in parts:
            if part.name == name:
                return part
        names = [part.name for part in parts]
        hint = did_you_mean(name, names) or f"; it has {join_names(names) or 'none'}"
        raise InputError(f"{self.service} has no {' or '.join(kinds)} {quote(name)}{hint}")


@dataclass(frozen=True)
class Source:
    """A service's code, and the interpreter that runs it.

    Attributes:
        folder: the service's folder.
        python: the interpreter of its environment.
        variables: its environment variables.
    """

    folder: Path
    python: Path
    variables: Mapping[str, str]

    @classmethod
    def of(cls, folder: Path, nats: str) -> Source:
        """Return the service in a folder, after creating its environment if it has none.

        Args:
            folder: the service's folder.
            nats: the address of the NATS server.

        Raises:
            ServiceError: its environment cannot be created.
        """
        try:
            python = environment_for(folder / environment.REQUIREMENTS)
        except HarnessError as error:
            raise ServiceError(str(error)) from error
        return cls(folder, python, environment.variables(folder, environment.Servers(nats), None))

    def catalog(self) -> Catalog:
        """Return the service's parts.

        Raises:
            ServiceError: its code cannot be imported.
        """
        answer = self._ask({"types": []})
        parts = [Part(**{**part, "publishes": tuple(part.get("publishes", ()))}) for part in answer["parts"]]
        written = {end.subject for end in reading.read(self.folder).senders if end.kind != ENQUEUES}
        return Catalog(answer["service"], tuple(sorted(written.union(answer["publishes"]))), tuple(parts))

    def surface(self) -> Surface:
        """Return what the service sends and receives, with the subjects, options and schemas that its code tells.

        Raises:
            ServiceError: its code cannot be imported.
        """
        read = reading.read(self.folder)
        types = {key: None for end in (*read.senders, *read.receivers) for key in _types(end) if key}
        answer = self._ask({"types": [*types]})
        schemas = dict(zip(types, answer["schemas"], strict=True))
        parts = {(part["kind"], part["name"]): part for part in answer["parts"]}
        ends = Counter((end.kind, end.part) for end in read.receivers)

        def told(end: End) -> End:
            part = parts.pop((end.kind, end.part), {})
            is_sure = end.kind == "task" or ends[end.kind, end.part] > 1  # of several versions, the code told one
            schema, reply = (schemas.get(key) if key else None for key in _types(end))
            return replace(
                end,
                service=answer["service"],
                subject=end.subject if is_sure else part.get("subject", end.subject),
                durable=part.get("durable", end.durable),
                schema=schema or end.schema,
                reply_schema=reply or end.reply_schema,
                options={**end.options, **part.get("options", {})},
            )

        untold = tuple(f"{module}: {text}" for (module, text, _), schema in schemas.items() if schema is None)
        senders, receivers = (tuple(map(told, ends)) for ends in (read.senders, read.receivers))
        others = tuple(_received(answer["service"], self.folder.name, part) for part in parts.values())
        return Surface(answer["service"], senders, (*receivers, *others), read.unread, untold)

    def check(self, part: Part, payload: str) -> None:
        """Have the service's code validate a payload in JSON.

        Raises:
            InputError: the payload is invalid for the part.
            ServiceError: the service's code cannot be imported, or no longer has the part.
        """
        [problem] = self.problems(part, [payload])
        if problem:
            raise InputError(f"invalid payload for {part.name}: {problem}")

    def problems(self, part: Part, payloads: Sequence[str]) -> list[str]:
        """Return for each JSON payload why it is invalid for the part; empty if it is valid.

        Raises:
            ServiceError: the service's code cannot be imported, or no longer has the part.
        """
        answer = self._ask({"kind": part.kind, "name": part.name, "payloads": list(payloads)})
        if answer["problems"] is None:
            raise ServiceError(f"{self.folder.name} has no {part.kind} {part.name} any more")
        return list(answer["problems"])

    def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        try:
            asked = subprocess.run(
                [self.python, "-c", PROBE.read_text(encoding="utf-8")],
                input=json.dumps(question),
                capture_output=True,
                text=True,
                cwd=self.folder,
                env={**self.variables, "PYTHONDONTWRITEBYTECODE": "1"},  # an edit may be under way
                timeout=PROBE_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise ServiceError(f"{self.folder.name} takes more than {PROBE_SECONDS:g} s to import its code") from error
        try:
            answer = json.loads(asked.stdout)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ServiceError(f"the code of {self.folder.name} cannot be imported: {last_lines(asked.stderr, 1)}")
        return answer


def _received(service: str, folder: str, part: Mapping[str, Any]) -> End:
    """Return the end of a part whose subject only the running code knows."""
    return End(
        service,
        part["name"],
        part["kind"],
        part["subject"],
        f"{SERVICES}/{folder}/{part['file']}",
        schema=part["schema"],
        stream=(stream_for(part["subject"]) or "") if "durable" in part else "",
        durable=part.get("durable", ""),
        options=part.get("options", {}),
    )


def _types(end: End) -> Iterator[tuple[str, str, bool] | None]:
    """Yield the types of a payload and of its reply, each with whether the service sends it."""
    for kind, is_sent in ((end.type, end.is_sent), (end.reply, not end.is_sent)):
        yield (kind.module, kind.text, is_sent) if kind else None
