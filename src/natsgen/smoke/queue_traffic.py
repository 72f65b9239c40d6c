"""Tasks that a sample is given over NATS, by a client that knows nothing of its runtime."""

from __future__ import annotations

import json

import nats.js.errors
from nats.aio.client import Client

from natsgen.parts.tasks import Task
from natsgen.smoke.outcome import CheckFailed
from natsgen.smoke.traffic import ANSWER_SECONDS, MESSAGE_ID, with_client

RESULTS = "KV_task_results"
RESULT_SECONDS = 600


def enqueue(url: str, task: Task, priority: str, identity: str, payload: bytes) -> None:
    """Enqueues a task and asks for its result.

    Raises:
        CheckFailed: no stream takes it.
    """

    async def do(client: Client) -> None:
        subject = f"queue.{task.queue}.{priority}.{task.name}"
        headers = {MESSAGE_ID: identity, "Task-Id": identity, "Task-Result-Ttl": str(RESULT_SECONDS)}
        try:
            await client.jetstream(timeout=ANSWER_SECONDS).publish(subject, payload, headers=headers)
        except nats.js.errors.NoStreamResponseError as error:
            raise CheckFailed(f"no stream takes {subject}: the service has made no queue {task.queue}") from error

    with_client(url, do)


def left_in(url: str, stream: str) -> int:
    """How many messages a stream holds."""

    async def do(client: Client) -> int:
        return (await client.jetstream(timeout=ANSWER_SECONDS).stream_info(stream)).state.messages

    return with_client(url, do)


def state_of(url: str, task: Task, identity: str) -> str:
    """What is known of a task whose result is wanted, such as `done`; "" for nothing."""

    async def do(client: Client) -> str:
        subject = f"$KV.task_results.{task.queue}.{task.name}.{identity}"
        try:
            found = await client.jetstream(timeout=ANSWER_SECONDS).get_last_msg(RESULTS, subject)
        except nats.js.errors.NotFoundError:
            return ""
        return str(json.loads(found.data or b"{}").get("state", ""))

    return with_client(url, do)
