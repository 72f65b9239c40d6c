"""Payloads that are no JSON: what docs/decoders.md shows, as it stands there, and what a decoder cannot read."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import msgpack
import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from nats.js import JetStreamContext
from pydantic import BaseModel
from structlog.testing import capture_logs

from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from src.domain.cloud_events import CloudEvent
from src.infrastructure import decoding
from src.infrastructure.decoding import reader_for, signature_of
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.subscription import Subscription
from src.toolkit import decoders
from src.toolkit.decoders import decode_with, use_decoder
from tests.harness_tools.readiness import wait_ready
from tests.runtime.conftest import SERVICE

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "decoders.md").read_text(encoding="utf-8")
SUBJECT = "integration.order.created"


class Order(BaseModel):
    number: int


async def takes_model(order: Order) -> None: ...
async def takes_dict(order: dict[str, Any]) -> None: ...
async def takes_anything(order) -> None: ...  # type: ignore[no-untyped-def]
async def takes_bytes(order: bytes) -> None: ...
async def takes_cloud_event(event: CloudEvent[Order]) -> None: ...
async def read_later(payload: bytes) -> Any: ...


def blocks(language: str) -> list[str]:
    """What the document shows in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def shown_proto() -> FileDescriptorProto:
    """The document's message, as `protoc` describes it."""
    (shown,) = blocks("proto")
    file = FileDescriptorProto(name="orders.proto", syntax="proto3")
    message = file.message_type.add(name=re.findall(r"message (\w+)", shown)[0])
    for kind, name, number in re.findall(r"(\w+) (\w+) = (\d+);", shown):
        typed = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
        message.field.add(name=name, number=int(number), type=typed, label=FieldDescriptorProto.LABEL_OPTIONAL)
    return file


def generated_by_protoc(file: FileDescriptorProto) -> str:
    """The module that `protoc --python_out` makes of it."""
    return (
        "from google.protobuf import descriptor_pool\n"
        "from google.protobuf.internal import builder\n\n"
        f"DESCRIPTOR = descriptor_pool.Default().AddSerializedFile({file.SerializeToString()!r})\n"
        "builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())\n"
        "builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, 'src.domain.orders_pb2', globals())\n"
    )


def order_shipped() -> Any:
    """The class of the document's Protobuf message."""
    pool = DescriptorPool()
    pool.Add(shown_proto())
    return GetMessageClass(pool.FindMessageTypeByName("OrderShipped"))


def avro(schema: Any, record: dict[str, Any]) -> bytes:
    file = BytesIO()
    fastavro.schemaless_writer(file, schema, record)
    return file.getvalue()


@pytest.fixture
def documented(tmp_path: Path) -> Path:
    """The service with the document's handlers, each in the file that it names."""
    folder = Path(
        shutil.copytree(SERVICE, tmp_path / "billing", ignore=shutil.ignore_patterns("__pycache__", "*_handler.py"))
    )
    for block in blocks("python"):
        name, content = block.split("\n", 1)
        (folder / name.removeprefix("# ")).write_text(content)
    (folder / "src" / "domain" / "orders_pb2.py").write_text(generated_by_protoc(shown_proto()))
    return folder


@pytest.fixture
def worker(documented: Path, nats_server: NatsServer, tmp_path: Path) -> Iterator[GeneratedService]:
    settings = {"NATS_URL": nats_server.url, "CONSUL_ENABLED": "false", "DEDUP": "none"}
    with GeneratedService(documented, python=sys.executable, log_folder=tmp_path, settings=settings) as worker:
        wait_ready(worker)
        yield worker


@pytest.fixture
def shared() -> Iterator[None]:
    """Forgets the decoder that the test has the whole service use."""
    yield
    decoders._of_the_service.clear()
    decoding.subscription_decoding = reader_for


def logged(worker: GeneratedService, message: str) -> list[dict[str, Any]]:
    return [record for record in worker.log_records() if record["message"] == message]


async def until_logged(worker: GeneratedService, *messages: str) -> dict[str, dict[str, Any]]:
    """The latest record of each message, once there is one of each."""
    await asyncio.to_thread(
        wait_until,
        lambda: all(logged(worker, message) for message in messages),
        limit=60,
        what=", ".join(messages),
        alive=worker.process.check_alive,
    )
    return {message: logged(worker, message)[-1] for message in messages}


async def test_custom_decoders_as_documented(worker: GeneratedService, jetstream: JetStreamContext) -> None:
    """MessagePack, Protobuf and Avro, with a handler each, and one decoder for all the others."""
    schema = {
        "type": "record",
        "name": "OrderPaid",
        "fields": [{"name": "number", "type": "long"}, {"name": "amount", "type": "double"}],
    }
    await jetstream.publish("orders.order.created", msgpack.packb({"number": 1}))
    await jetstream.publish("orders.order.shipped", order_shipped()(number=2, carrier="pigeon").SerializeToString())
    await jetstream.publish("orders.order.paid", avro(schema, {"number": 3, "amount": 9.5}))

    found = await until_logged(worker, "order created", "parcel packed", "order shipped", "order paid")

    assert found["order created"]["number"] == 1
    assert found["parcel packed"]["order"] == 1
    assert (found["order shipped"]["number"], found["order shipped"]["carrier"]) == (2, "pigeon")
    assert (found["order paid"]["number"], found["order paid"]["amount"]) == (3, 9.5)
    assert {record["level"] for record in worker.log_records()} == {"INFO"}


async def test_custom_decoders_fall_back_to_the_default_chain_unless_strict(
    worker: GeneratedService, jetstream: JetStreamContext
) -> None:
    for subject in ("orders.order.created", "orders.order.paid", "orders.order.shipped"):
        await jetstream.publish(subject, json.dumps({"number": 7, "amount": 1.5, "carrier": "x"}).encode())

    found = await until_logged(worker, "order created", "order paid", "dead letter")
    said = {
        record["handler"]: record for record in logged(worker, "decoder failed: reading JSON, text or bytes instead")
    }
    letter = await jetstream.get_last_msg("DLQ", "dlq.billing.order_shipped")

    assert (found["order created"]["number"], found["order paid"]["amount"]) == (7, 1.5)
    assert sorted(said) == ["order_created", "order_paid"]
    assert {record["level"] for record in said.values()} == {"WARNING"}
    assert said["order_paid"]["decoder"] == "src.domain.handlers.order_paid_handler.read_avro"
    assert said["order_paid"]["error"]
    assert found["dead letter"]["handler"] == "order_shipped"
    assert (letter.headers or {})["Dlq-Reason"] == "invalid"
    assert (letter.headers or {})["Dlq-Error-Type"].endswith("DecodeError")


def read_with(function: Any, decoder: Any, payload: bytes, *, strict: bool = False) -> Any:
    return signature_of(function, decode_with(decoder, strict=strict)).decode(payload, {})


@pytest.mark.parametrize(
    ("function", "payload", "expected"),
    [
        (takes_model, msgpack.packb({"number": 7}), Order(number=7)),
        (takes_dict, msgpack.packb({"number": 7}), {"number": 7}),
        (takes_anything, msgpack.packb([1, b"\xff"]), [1, b"\xff"]),
        (takes_bytes, msgpack.packb(b"\xff"), b"\xff"),
        (takes_model, b'{"number": 7}', Order(number=7)),
        (takes_anything, b"plain text", "plain text"),
        (takes_anything, b"\xc1\xff", b"\xc1\xff"),
        (takes_bytes, b"\xc1\xff", b"\xc1\xff"),
    ],
)
def test_custom_decoder_goes_before_json_text_and_bytes(function: Any, payload: bytes, expected: object) -> None:
    assert read_with(function, msgpack.unpackb, payload) == expected


def test_custom_decoder_that_makes_something_else_than_is_asked_for_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="number"), capture_logs() as lines:
        read_with(takes_model, msgpack.unpackb, msgpack.packb({"number": "seven"}))
    assert lines == []


def test_custom_decoder_of_a_class_of_its_own_is_checked_as_well() -> None:
    made = order_shipped()

    async def takes_message(order: made) -> None: ...  # type: ignore[valid-type]

    takes_message.__annotations__["order"] = made
    assert read_with(takes_message, made.FromString, made(number=2).SerializeToString()).number == 2
    with pytest.raises(ValueError, match="OrderShipped"):
        read_with(takes_message, msgpack.unpackb, msgpack.packb({"number": 2}))
    with pytest.raises(ValueError, match="OrderShipped"):  # nor is it JSON's
        read_with(takes_message, made.FromString, b'{"number": 2}')


def test_custom_decoder_leaves_alone_what_headers_hold() -> None:
    headers = {"ce-id": "1", "ce-source": "s", "ce-type": "t", "ce-specversion": "1.0"}
    signature = signature_of(takes_cloud_event, decode_with(msgpack.unpackb))
    whole = {"id": "1", "source": "s", "type": "t", "specversion": "1.0", "data": {"number": 7}}

    assert signature.decode(b'{"number": 7}', headers).data == Order(number=7)
    assert signature.decode(msgpack.packb(whole), {}).data == Order(number=7)


async def test_custom_decoder_in_a_batch_refuses_what_it_cannot_read_and_that_alone(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    seen: list[Order] = []

    async def handle(orders: list[Order]) -> None:
        seen.extend(orders)

    batches = Subscription(
        handler="tested",
        subject=SUBJECT,
        function=handle,
        batch_wait=0.5,
        decoder=decode_with(msgpack.unpackb, strict=True),
    )
    async with run_worker(batches) as worker:
        for payload in (msgpack.packb({"number": 1}), b'{"number": 2}', msgpack.packb({"number": 3})):
            await jetstream.publish(SUBJECT, payload)
        metrics = worker.runners[0].metrics

        def settled() -> int:
            counted = metrics.values()
            return counted["handled"] + sum(counted["dead_letters"].values())

        await asyncio.to_thread(wait_until, lambda: settled() == 3, limit=30, what="all three to be settled")
        letters = metrics.values()["dead_letters"]

    assert seen == [Order(number=1), Order(number=3)]
    assert letters == {"invalid": 1}


@pytest.mark.parametrize("use", [decode_with, use_decoder])
@pytest.mark.parametrize(
    ("decoder", "says"), [("msgpack", "use a function of the payload's bytes"), (read_later, "write it as `def`")]
)
def test_custom_decoder_that_cannot_decode_is_refused(use: Any, decoder: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        use(decoder)


def test_custom_decoder_of_the_service_is_one(shared: None) -> None:
    use_decoder(msgpack.unpackb)
    use_decoder(msgpack.unpackb, strict=True)
    with pytest.raises(ConfigurationError, match=r"msgpack\S+unpackb is already set, so json\.loads cannot be"):
        use_decoder(json.loads)


def test_custom_decoder_of_the_service_is_for_what_has_none_of_its_own(shared: None) -> None:
    own = Subscription(handler="own", subject="a.b", function=takes_anything, decoder=decode_with(json.loads))
    plain = Subscription(handler="plain", subject="a.c", function=takes_anything)
    use_decoder(msgpack.unpackb)

    assert plain.signature.decode(msgpack.packb([1]), {}) == [1]
    assert own.signature.decode(b"[1]", {}) == [1]
    assert signature_of(takes_anything).decode(b"[1]", {}) == [1]  # as of a task
