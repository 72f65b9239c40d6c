"""A bare responder of nats-py that parses JSON and answers with JSON: the practical limit of the client.

With BENCH_MICRO it is an endpoint of nats-py's micro service instead.
"""

import asyncio
import json
import os

import nats
import nats.micro
from nats.aio.msg import Msg
from nats.micro.request import Request

SUBJECT = os.environ["BENCH_SUBJECTS"]


def answer(data: bytes) -> bytes:
    return json.dumps({"result": {"message": f"Hello {json.loads(data)['name']}!"}}).encode()


async def main() -> None:
    client = await nats.connect(os.environ["BENCH_URL"])

    async def respond(message: Msg) -> None:
        await message.respond(answer(message.data))

    async def respond_as_endpoint(request: Request) -> None:
        await request.respond(answer(request.data))

    if os.environ.get("BENCH_MICRO"):
        service = await nats.micro.add_service(client, name="bench", version="1.0.0")
        await service.add_endpoint(name="greet", subject=SUBJECT, handler=respond_as_endpoint)
    else:
        await client.subscribe(SUBJECT, "q", cb=respond)
    await asyncio.Event().wait()


asyncio.run(main())
