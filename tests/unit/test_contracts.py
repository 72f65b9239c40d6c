"""The map and the AsyncAPI document of a small workspace in source, and each fault that is planted in it."""

from __future__ import annotations

import ast
import json
import shutil
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

from natsgen.cli import main
from natsgen.contracts import compatibility
from natsgen.contracts.models import SchemaReader, Type
from natsgen.contracts.modules import Modules
from natsgen.dev import probe
from tests.update import world

TEMPLATE = Path(__file__).parents[2] / "template" / "services" / "{{ service_name }}"
RUNTIME = ("src/domain/events.py", "src/infrastructure/subscription.py", "src/actions/action.py")
HEAD = """
from enum import StrEnum
from typing import Annotated, Literal, Optional
from pydantic import BaseModel, ConfigDict, Field
from src.domain.events import Event
"""
FILES: Mapping[str, str] = {
    "shop/src/web/routes/order_route.py": """
class OrderRequest(BaseModel):
    total: int

class OrderResponse(BaseModel):
    order_id: str

@router.post("/orders")
async def order(request: OrderRequest, nats: Connection) -> OrderResponse:
    return await nats.call("v1.orders.place", request, response=OrderResponse)
""",
    "orders/src/domain/subjects.py": 'PREFIX = "orders"\nCREATED = f"{PREFIX}.order.created"\n',
    "orders/src/domain/actions/place_action.py": """
from src.domain import subjects

class PlaceRequest(BaseModel):
    total: int
    note: str | None = None

class PlaceResponse(BaseModel):
    order_id: str

class Currency(StrEnum):
    EUR = "EUR"
    USD = "USD"

class OrderCreated(BaseModel):
    order_id: str
    total: float
    currency: Currency

@action("place")
async def place(request: PlaceRequest, context: Context) -> PlaceResponse:
    order = OrderCreated(order_id="1", total=request.total, currency=Currency.EUR)
    await publish(subjects.CREATED, Event.new(subjects.CREATED, order.order_id, order))
    return PlaceResponse(order_id=order.order_id)
""",
    "billing/src/domain/handlers/order_created_handler.py": """
class OrderCreated(BaseModel):
    model_config = ConfigDict(extra="allow")
    total: float = Field(description="in euros")
    currency: Literal["EUR", "USD"] = "EUR"

class Invoice(BaseModel):
    number: int
    lines: list[str] = Field(default_factory=list)

@subscriber("orders.order.created", ack_wait=60.0, publishes=["billing.invoice.written"])
async def handle_order_created(event: Event[OrderCreated], message: Message) -> None:
    invoice = Event[Invoice].new("billing.invoice.written", "7", Invoice(number=7))
    await message.publish("billing.invoice.written", invoice)
    await enqueue("emails.send_email", {"to": "ada@example.com"})
""",
    "mailer/src/domain/tasks/send_email_task.py": """
class SendEmail(BaseModel):
    to: str

@task("send_email", queue="emails")
async def send_email(payload: SendEmail) -> None: ...
""",
    "mailer/src/domain/tasks/tidy_up_task.py": """
@task("tidy_up", queue="emails", schedule=Schedule(every=3600), ack_wait=LONG)
async def tidy_up(payload: dict) -> None: ...
""",
    "mailer/src/domain/handlers/invoice_written_handler.py": """
class Invoice(BaseModel):
    number: int

@subscriber("billing.invoice.*")
async def handle_invoice_written(events: list[Event[Invoice]]) -> None: ...
""",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five services that fit together."""
    root = tmp_path_factory.mktemp("whole") / "shop"
    for name, text in FILES.items():
        file = root / "services" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(HEAD + text)
    for service in (root / "services").iterdir():
        (service / ".copier-answers.yml").touch()
        for name in RUNTIME:
            (service / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TEMPLATE / name, service / name)
    return root


@pytest.fixture
def workspace(whole: Path, tmp_path: Path) -> Path:
    """A copy of them that the test may change."""
    return shutil.copytree(whole, tmp_path / "shop")


@pytest.fixture(scope="module")
def base(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their document."""
    file = tmp_path_factory.mktemp("base") / "asyncapi.json"
    document(whole, file)
    return file


def replace(workspace: Path, name: str, old: str, new: str) -> None:
    """Plants a fault."""
    file = workspace / "services" / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def run(workspace: Path, *words: str) -> int:
    return main([*words, "--workspace", str(workspace)])


PLACE = "orders/src/domain/actions/place_action.py"
BILL = "billing/src/domain/handlers/order_created_handler.py"
MAIL = "mailer/src/domain/handlers/invoice_written_handler.py"
ROUTE = "shop/src/web/routes/order_route.py"
MODEL = "class OrderCreated(BaseModel):\n"
BEFORE = "    await enqueue("
FAULTS = {
    "an orphan subject": (BILL, BEFORE, f'    await publish("billing.x", b"")\n{BEFORE}', "unconsumed"),
    "an action that nobody has": (ROUTE, "v1.orders.place", "v2.orders.place", "unconsumed"),
    "a task that nobody runs": (BILL, "emails.send_email", "emails.send_mail", "unconsumed"),
    "a consumer that nobody feeds": (MAIL, "billing.invoice.*", "billing.invoice.paid", "unfed"),
    "a wrong wildcard": (MAIL, "billing.invoice.*", "billing.*", "unfed"),
    "a field that is not sent": (BILL, "total: float =", "amount: float =", "mismatch"),
    "a field of another type": (PLACE, "total: float", "total: str", "mismatch"),
    "a value that is not expected": (BILL, 'Literal["EUR", "USD"]', 'Literal["EUR"]', "mismatch"),
    "another envelope": (BILL, "event: Event[OrderCreated]", "event: OrderCreated", "mismatch"),
    "a reply of another form": (PLACE, "order_id: str\n\nclass Currency", "id: str\n\nclass Currency", "mismatch"),
    "a cycle": (MAIL, "-> None: ...", '-> None:\n    await publish("orders.order.created", b"")', "cycle"),
    "a wildcard in what is published": (BILL, BEFORE, f'    await publish("billing.*", b"")\n{BEFORE}', "subject"),
    "no subject at all": (MAIL, "billing.invoice.*", "billing..invoice", "subject"),
}


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_each_planted_fault_is_found_and_nothing_without_one(
    workspace: Path, fault: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = set()
    if fault:
        *where, kind = FAULTS[fault]
        replace(workspace, *where)
        expected = {kind}
    code = run(workspace, "map", "--check", "--json")
    found = json.loads(capsys.readouterr().out)
    kinds = {one["kind"] for one in found["findings"]}
    assert (code, bool(kinds)) == ((1, True) if fault else (0, False)), found["findings"]
    assert expected <= kinds
    assert found["unread"] == []


def test_the_map_is_complete_in_every_format(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edges = {
        ("shop.order", "v1.orders.place", "orders.place"),
        ("orders.place", "orders.order.created", "billing.order_created"),
        ("billing.order_created", "billing.invoice.written", "mailer.invoice_written"),
        ("billing.order_created", "queue.emails.*.send_email", "mailer.send_email"),
    }
    assert run(workspace, "map", "--format", "json") == 0
    flows = json.loads(capsys.readouterr().out)["flows"]
    found = {
        (f"{one['service']}.{one['part']}", flow["subject"], f"{other['service']}.{other['part']}")
        for flow in flows
        for one in flow["senders"]
        for other in flow["receivers"]
    }
    assert found == edges
    models = {flow["subject"]: {end["model"] for end in flow["senders"]} for flow in flows}
    assert models["orders.order.created"] == {"Event[OrderCreated]"}
    texts = {}
    for form in ("text", "mermaid", "html"):
        assert run(workspace, "map", "--format", form) == 0
        texts[form] = capsys.readouterr().out
        for sender, _, receiver in edges:
            assert sender.split(".")[1] in texts[form]
            assert receiver.split(".")[1] in texts[form]
    assert max(map(len, texts["text"].splitlines())) <= 80
    assert "queue.emails.*.tidy_up  (stream QUEUE_EMAILS)\n  from a schedule\n" in texts["text"]
    HTMLParser().feed(texts["html"])
    assert "http" not in texts["html"].replace("http-equiv", "")


def test_what_is_not_known_is_said_and_hostile_source_is_only_shown(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace(workspace, BILL, '"emails.send_email"', "chosen")
    replace(workspace, MAIL, "billing.invoice.*", "billing.<script>.\\x1b[31m")
    replace(workspace, ROUTE, "class OrderRequest", "raise SystemExit(9)\nclass OrderRequest")
    (workspace / "services/mailer/src/domain/broken.py").write_text("def (")
    (workspace / "services/mailer/src/domain/two.words.py").touch()
    aliases = "\n".join(f"A{n} = tuple[A{n + 1}, A{n + 1}]" for n in range(60))
    replace(workspace, MAIL, "class Invoice(BaseModel):\n", f"{aliases}\nclass Invoice(BaseModel):\n    one: A0\n")
    endless = "class Item(BaseModel):\n    left: Item | None\n    right: Item | None\n"
    for name in (PLACE, BILL):
        replace(workspace, name, MODEL, f"{endless}{MODEL}    item: Item\n")
    assert run(workspace, "map", "--external", "billing.>") == 0
    out = capsys.readouterr().out
    text = " ".join(out.split())
    assert "the subject is an expression: chosen" in text
    assert "no schema of src.domain.handlers.invoice_written_handler: Event[Invoice], which is too large" in text
    assert "broken.py: line 1: " in text
    assert "two.words.py: it is not a module of the service" in text
    assert "\x1b" not in out
    for form in ("html", "mermaid"):
        run(workspace, "map", "--format", form)
        assert "<script>" not in capsys.readouterr().out
    assert run(workspace, "map", "--format", "svg") == 2


def document(workspace: Path, file: Path) -> None:
    """Writes the AsyncAPI document of the workspace, from source."""
    assert run(workspace, "asyncapi", "--all", "--static", "--output", str(file)) == 0


def test_the_document_has_what_jetstream_does_and_the_replies(base: Path) -> None:
    found = json.loads(base.read_text())
    handler = found["operations"]["billing.handler.order_created"]
    facts = {key: value for key, value in handler.items() if key.startswith("x-nats-")}
    assert facts == {
        "x-nats-stream": "ORDERS",
        "x-nats-durable": "billing-order_created",
        "x-nats-ack-wait": 60.0,
        "x-nats-max-attempts": 5,
        "x-nats-dead-letter-subject": "dlq.billing.order_created",
    }
    assert "x-nats-ack-wait" not in found["operations"]["mailer.task.tidy_up"]  # it is an expression
    assert found["channels"]["queue.emails.any.send_email"]["address"] == "queue.emails.*.send_email"
    assert found["operations"]["orders.action.place"]["reply"]["channel"] == {
        "$ref": "#/channels/v1.orders.place.reply"
    }
    reply = found["components"]["messages"]["orders.action.place.reply"]["payload"]
    assert reply["properties"]["result"] == {"$ref": "#/components/schemas/orders.sent.PlaceResponse"}
    sent = found["components"]["schemas"]["orders.sent.Event_OrderCreated_"]
    assert sent["required"] == ["id", "type", "timestamp", "aggregateId", "data"]
    assert found["components"]["schemas"]["orders.sent.Currency"]["enum"] == ["EUR", "USD"]


CHANGES = {
    "a field of an event is removed": (PLACE, "    total: float\n", "", "data.total is required, but not sent"),
    "a field of an event has a wider type": (PLACE, "total: float", "total: float | None", "data.total is null"),
    "a field of an event is not always sent": (PLACE, "total: float", "total: float | str", "data.total is string"),
    "a type is narrower": (MAIL, "number: int", "number: Annotated[int, Field(ge=1)]", "has the minimum of anything"),
    "another type is expected": (MAIL, "number: int", "number: str", "data.number is integer, expected string"),
    "a field is required": (PLACE, "note: str | None = None", "note: str | None", "note is required, but not always"),
    "an open model requires more": (
        BILL,
        "    total: float =",
        "    vat: float\n    total: float =",
        "vat is required, but",
    ),
    "fewer values are accepted": (BILL, '"EUR", "USD"', '"EUR"', 'can be "USD", expected "EUR"'),
    "a subject is removed": (BILL, "billing.invoice.written", "billing.invoice.paid", "no longer sends it"),
    "another model on a wider subject": (
        MAIL,
        'billing.invoice.*")\nasync def handle_invoice_written(events: list[Event[Invoice]]',
        'billing.>")\nasync def handle_invoice_written(events: list[Event[str]]',
        "data is object, expected string",
    ),
    "an action is removed": (PLACE, '@action("place")', '@action("put")', "no longer receives it"),
    "a reply lacks a field": (PLACE, "order_id: str\n\nclass Currency", "pass\n\nclass Currency", "result.order_id is"),
}
FINE = {
    "a new field": (PLACE, "    total: float\n", "    total: float\n    tax: float = 0.0\n", "data.tax is new"),
    "an optional field": (MAIL, "number: int", "number: int\n    note: str = ''", "data.note is new"),
    "a wider subject": (MAIL, "billing.invoice.*", "billing.>", "mailer.handler.invoice_written receives it"),
    "a longer time": (BILL, "ack_wait=60.0", "ack_wait=90.0", "x-nats-ack-wait is 90.0, was 60.0"),
    "another name of a handler": (
        MAIL,
        "handle_invoice_written",
        "handle_invoice",
        "x-nats-durable is mailer-invoice,",
    ),
}


@pytest.mark.parametrize("change", [*CHANGES, *FINE])
def test_each_breaking_change_is_told_from_those_that_are_not(
    workspace: Path, base: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    *where, told = (CHANGES | FINE)[change]
    replace(workspace, *where)
    code = run(workspace, "asyncapi", "--all", "--static", "--diff", str(base), "--json")
    found = json.loads(capsys.readouterr().out)["changes"]
    assert code == (1 if change in CHANGES else 0), found
    assert any(told in one["text"] and one["is_breaking"] == (change in CHANGES) for one in found), found


def test_a_git_revision_and_a_committed_document_are_compared(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = workspace / "asyncapi.json"
    document(workspace, file)
    world.commit(workspace, "as it was")
    described = file.read_text()
    static = ("asyncapi", "--all", "--static")
    assert run(workspace, *static, "--check", "--output", str(file)) == 0
    assert run(workspace, *static, "--diff", "HEAD") == 0
    replace(workspace, MAIL, "number: int", "number: str")
    capsys.readouterr()
    assert run(workspace, *static, "--check", "--output", str(file)) == 1
    out = capsys.readouterr().out
    assert "mismatch: billing.order_created sends billing.invoice.written" in out
    assert f"{file} differs from the services" in out
    assert run(workspace, *static, "--diff", "HEAD") == 1
    assert "breaking  billing.invoice.*  data.number is integer, expected string" in capsys.readouterr().out
    (workspace / "services/mailer/link").symlink_to("/etc/hostname")
    world.commit(workspace, "a link that leads out")
    assert run(workspace, *static, "--diff", "HEAD") == 0
    assert run(workspace, *static, "--diff", "HEAD", "--check") == 2
    for wrong in ("--option", "no-such-revision", str(tmp_path / "none.json")):
        assert run(workspace, *static, "--diff", wrong) == 2, wrong
    broken = described.replace('"required": [', '"required": 5, "other": [')
    for content in ("[]", "{}", "no JSON", broken, '{"operations": {"one": {"channel": {"$ref": "#/channels/x"}}}}'):
        file.write_text(content)
        assert run(workspace, *static, "--diff", str(file)) == 2, content
    assert run(workspace, "asyncapi") == 2


MODELS = """
from enum import Enum, IntEnum, StrEnum, auto
from typing import Annotated, Generic, Literal, NewType, Optional, TypeVar, Union
from pydantic import BaseModel, ConfigDict, Field, computed_field

T = TypeVar("T")
MOST = 90
OrderId = NewType("OrderId", str)

class Currency(StrEnum):
    EUR = "EUR"
    USD = "USD"

class Level(IntEnum):
    LOW = -1
    HIGH = 1

class Base(BaseModel):
    kind: str
    note: str = ""

class Created(Base):
    kind: Literal["created"] = "created"
    note: str

class Price(BaseModel):
    net: int = Field(gt=0)
    cost: int = Field(exclude=True)
    order: OrderId

    @computed_field
    @property
    def gross(self) -> float:
        return self.net * 1.2

class Page(BaseModel, Generic[T]):
    items: list[T]

class Place(BaseModel):
    latitude: Annotated[float, Field(ge=-90, le=MOST)]
    name: str = Field(min_length=1, max_length=None)
    title: Optional[str] = Field(max_length=9)
    tags: list[str] = Field(min_length=1)
    pair: tuple[int, "Base"]
    level: Level = Level.LOW
    only: Literal[Currency.EUR]
    some: Literal[Currency.EUR, Currency.USD]
    count: Literal[-1, 1]
    parent: Optional["Place"] = None
"""


@pytest.mark.parametrize("annotation", ["Created", "Price", "Page[Price]", "Place", "Union[Created, Place, None]"])
@pytest.mark.parametrize("sends", [True, False])
def test_the_source_of_a_model_tells_what_pydantic_does(
    annotation: str, sends: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "src/domain/models.py"
    file.parent.mkdir(parents=True)
    file.write_text(MODELS)
    code = ModuleType("planted_models")
    monkeypatch.setitem(sys.modules, code.__name__, code)
    exec(MODELS, code.__dict__)
    reader = SchemaReader(Modules(tmp_path))
    of_source = reader.schema(Type("src.domain.models", ast.parse(annotation, mode="eval").body), sends=sends)
    of_code = probe.schema_in(code.__name__, annotation, sends)
    assert reader.unread == {}
    assert compatibility.problems(of_source, of_code, (of_source, of_code)) == []
    assert compatibility.problems(of_code, of_source, (of_code, of_source)) == []


def test_names_are_resolved_in_packages_and_two_models_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name, text in {
        "orders/__init__.py": "from .events import Created\n",
        "orders/events.py": "from ..lines import Line\nfrom . import lines\n"
        "class Created(BaseModel):\n    one: Line\n    other: lines.Line\n",
        "orders/lines.py": "class Line(BaseModel):\n    a: int\n",
        "lines.py": "class Line(BaseModel):\n    b: str\n",
        "handlers.py": "from src.domain import orders\n",
    }.items():
        file = tmp_path / "src/domain" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    reader = SchemaReader(Modules(tmp_path))
    found = reader.schema(Type("src.domain.handlers", ast.parse("orders.Created", mode="eval").body), sends=True)
    one, other = (found["$defs"]["Created"]["properties"][name] for name in ("one", "other"))
    assert [*compatibility.target(found, one["$ref"])["properties"]] == ["b"]
    assert [*compatibility.target(found, other["$ref"])["properties"]] == ["a"]


UNUSUAL = r"""
from ..... import nothing
from pydantic import BaseModel, Field

SUBJECTS = ["a.b"]
Json = dict[str, "Json"]
declared = publisher(subject="billing.invoice.sent")

class Loop(Loop):
    a: int

class Unusual(BaseModel):
    discriminator: str
    one: Literal[()]
    two: tuple[()]
    three: Literal[b"x"]
    four: Json
    five: Loop
    six: Annotated[int, Field(ge="1", max_length=None)]

@subscriber("shop.order.created", publishes=SUBJECTS, more=nothing)
async def handle_unusual(event: Unusual) -> None:
    await declared.publish(event)
"""


def test_unusual_source_is_described_or_told(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace / "services/billing/src/domain/handlers/unusual_handler.py").write_text(UNUSUAL)
    deep = f"@subscriber('a.b', one={'-' * 2_000}1)\nasync def handle_deep(event: bytes) -> None: ...\n"
    (workspace / "services/billing/src/domain/handlers/deep_handler.py").write_text(deep)
    assert run(workspace, "map", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    ends = {(end["subject"], end["part"]) for flow in found["flows"] for end in (*flow["senders"], *flow["receivers"])}
    assert ends >= {("shop.order.created", "unusual"), ("billing.invoice.sent", "unusual")}
    unread = "\n".join(found["unread"])
    assert "the subject is an expression: SUBJECTS" in unread
    assert "deep_handler.py: " in unread  # for another reason in newer versions of Python
    assert "Unusual, which is too large" in unread
    assert run(workspace, "asyncapi", "--all", "--static") == 0
    described = json.loads(capsys.readouterr().out)
    assert "billing.handler.unusual" in described["operations"]


def test_subjects_that_differ_only_in_a_wildcard_have_channels_of_their_own(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "@listens('{}')\nasync def hear_{}(message: Message) -> None: ...\n"
    folder = workspace / "services/mailer/src/domain/subscribers"
    folder.mkdir()
    for name, subject in (("any", "api.any"), ("wide", "api.*")):
        (folder / f"{name}_subscriber.py").write_text(text.format(subject, name))
    assert run(workspace, "asyncapi", "mailer", "--static") == 0
    channels = json.loads(capsys.readouterr().out)["channels"]
    assert {one["address"] for one in channels.values()} >= {"api.any", "api.*"}


def test_a_function_may_answer_several_versions_of_an_action(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace(workspace, PLACE, '@action("place")', '@action("place")\n@action("place", version=2)')
    replace(workspace, ROUTE, "v1.orders.place", "v2.orders.place")
    assert run(workspace, "map", "--check") == 0
    capsys.readouterr()
    assert run(workspace, "asyncapi", "orders", "--static") == 0
    document = json.loads(capsys.readouterr().out)
    assert {one["address"] for one in document["channels"].values()} >= {"v1.orders.place", "v2.orders.place"}
    assert sum(one["action"] == "receive" for one in document["operations"].values()) == 2


OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@pytest.mark.parametrize(
    ("reader", "writer", "problem"),
    [
        ({"type": "number"}, {"type": "integer"}, ""),
        ({"type": "integer"}, {"type": "number"}, "the payload is number, expected integer"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "null"}, ""),
        ({"type": "string"}, {"anyOf": [{"type": "string"}, {"type": "null"}]}, "the payload is null, expected"),
        (
            {"type": "array", "items": OBJECT},
            {"type": "array", "items": {"type": "object", "properties": {}}},
            "[].a is",
        ),
        (OBJECT, {"type": "object", "properties": {}, "additionalProperties": True}, ""),
        (OBJECT, {**OBJECT, "required": []}, "a is required, but not always sent"),
        (
            {**OBJECT, "additionalProperties": False},
            {"properties": {"a": {}, "b": {}}, "required": ["a"]},
            "b is sent,",
        ),
        ({"type": "integer", "minimum": 1}, {"type": "integer"}, "has the minimum of anything, expected 1"),
        ({"type": "integer", "maximum": 5}, {"type": "integer", "maximum": 4}, ""),
        ({"type": "number", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}, ""),
        ({"type": "number", "minimum": 0}, {"type": "number", "exclusiveMinimum": 0}, ""),
        ({"type": "integer", "minimum": 1}, {"type": "integer", "exclusiveMinimum": 0}, ""),
        ({"type": "number", "exclusiveMaximum": 1}, {"type": "number", "maximum": 1}, "the exclusiveMaximum"),
        ({"type": "string", "format": "uuid"}, {"type": "string"}, "has the format of anything, expected uuid"),
        ({"enum": ["a"]}, {"const": "b"}, 'can be "b", expected "a"'),
        ({"$ref": "#/$defs/M", "$defs": {"M": {"properties": {"m": {"$ref": "#/$defs/M"}}}}}, OBJECT, ""),
        (OBJECT, {}, ""),
    ],
)
def test_a_reader_accepts_what_a_writer_sends_or_says_why_not(
    reader: compatibility.Schema, writer: compatibility.Schema, problem: str
) -> None:
    found = compatibility.problems(reader, writer)
    assert problem in "; ".join(found)
    assert bool(found) == bool(problem)


def test_models_that_contain_each_other_many_times_are_compared_at_once() -> None:
    def chain(kind: str) -> compatibility.Schema:
        inner = {f"M{n}": {"properties": {name: {"$ref": f"#/$defs/M{n + 1}"} for name in "ab"}} for n in range(60)}
        return {"$ref": "#/$defs/M0", "$defs": {**inner, "M60": {"type": kind}}}

    found = compatibility.problems(chain("integer"), chain("string"))
    assert f"{'.'.join('a' * 60)} is string, expected integer" in found
