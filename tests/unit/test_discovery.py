"""What is read from a service's source, whatever a person wrote there."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from natsgen.errors import InputError
from natsgen.parts.handlers import HANDLERS, FoundHandler, Handler
from natsgen.services import declared

PLAIN = '@subscriber("orders.order.created")\nasync def handle_order_created(event): ...\n'


@pytest.fixture
def service(tmp_path: Path) -> Path:
    (tmp_path / "src/domain/handlers").mkdir(parents=True)
    return tmp_path


def write(service: Path, name: str, source: str | bytes) -> None:
    content = source if isinstance(source, bytes) else source.encode()
    (service / "src/domain/handlers" / name).write_bytes(content)


def found_in(source: str) -> tuple[FoundHandler, ...]:
    return FoundHandler.all_in(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        PLAIN,
        PLAIN.replace('("', '(subject="'),
        PLAIN.replace('("orders.', '("orders." "'),
        PLAIN.replace("async def", "def"),
        PLAIN.replace("@subscriber", "@subscription.subscriber"),
        PLAIN.replace("@subscriber", "from x import subscriber as on\n@on"),
        f"import antigravity, nothing.at.all\n{PLAIN}\n1 / 0",
        f"if True:\n  {PLAIN.replace(chr(10), chr(10) + '  ')}",
        PLAIN.replace("handle_", ""),
    ],
)
def test_a_handler_is_found_however_it_is_written(source: str) -> None:
    (handler,) = found_in(source)
    assert (handler.name, handler.durable_in("billing")) == ("order_created", "billing-order_created")
    assert handler.first is not None
    assert handler.first.literal == "orders.order.created"


def test_options_are_read_and_a_literal_durable_is_its_text() -> None:
    (handler,) = found_in(PLAIN.replace('")', '", durable="d", concurrency=4, backoff=Backoff(1))'))
    assert {name: value.literal for name, value in handler.options.items()} == {
        "durable": "d",
        "concurrency": 4,
        "backoff": None,
    }
    assert handler.durable_in("billing") == "d"


def test_what_is_no_literal_is_shown_as_it_is_written() -> None:
    (handler,) = found_in("@subscriber(SUBJECTS[0], durable=name())\nasync def handle_x(e): ...")
    assert handler.first is not None
    assert (handler.first.text, handler.first.is_text) == ("SUBJECTS[0]", False)
    assert handler.durable_in("billing") == "name()"


@pytest.mark.parametrize(
    ("parameters", "batch"),
    [("events: list[Event[X]]", True), ("events: list", True), ("event: Event[list]", False), ("", False)],
)
def test_a_handler_of_a_list_takes_batches(parameters: str, batch: bool) -> None:
    (handler,) = found_in(PLAIN.replace("(event)", f"({parameters})"))
    assert handler.batch == batch


def test_several_handlers_in_a_file_are_in_their_order(service: Path) -> None:
    write(service, "all_handler.py", PLAIN + PLAIN.replace("created", "paid"))
    (file,) = HANDLERS.files_in(service)
    assert [handler.name for handler in file.parts] == ["order_created", "order_paid"]


@pytest.mark.parametrize(
    "content",
    [
        "def (",
        b"\xff\xfe",
        b"\0",
        "# coding: nonsense\n",
        "(" * 10_000,
        "-" * 100_000 + "1",
        f"@subscriber({'-' * 2000}1)\ndef handle_x(): ...",
        "x = '\\d'\ndef (",
    ],
)
def test_a_file_that_does_not_parse_says_why_and_hides_no_other(service: Path, content: str | bytes) -> None:
    write(service, "a_handler.py", content)
    write(service, "b_handler.py", PLAIN)
    broken, good = HANDLERS.files_in(service)
    assert (broken.parts, good.error) == ((), "")
    assert broken.error
    assert "\n" not in broken.error
    assert len(good.parts) == 1


def test_a_file_without_a_subscription_says_so(service: Path) -> None:
    write(service, "a_handler.py", "async def handle_a(event): ...")
    assert HANDLERS.files_in(service)[0].error == "it has no @subscriber"


def test_only_handler_files_are_read_and_nothing_is_imported(service: Path) -> None:
    write(service, "__init__.py", "raise SystemExit")
    write(service, "helper.py", PLAIN)
    (service / "src/domain/handlers/folder_handler.py").mkdir()
    write(service, "bad_handler.py", f"raise SystemExit\n{PLAIN}")
    before = set(sys.modules)
    assert [file.name for file in HANDLERS.files_in(service)] == ["bad"]
    assert set(sys.modules) == before


def test_warnings_about_a_persons_code_are_kept_quiet(service: Path, recwarn: pytest.WarningsRecorder) -> None:
    write(service, "a_handler.py", f"x = '\\d'\n{PLAIN}")
    HANDLERS.files_in(service)
    assert list(recwarn) == []


def test_a_service_without_the_folder_has_no_handlers(tmp_path: Path) -> None:
    assert HANDLERS.files_in(tmp_path) == ()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda data: data.decode("latin-1")))
def test_any_content_is_read_or_told_on_one_line(service: Path, content: str) -> None:
    write(service, "x_handler.py", content.encode("utf-8", errors="surrogatepass"))
    (file,) = HANDLERS.files_in(service)
    assert "\n" not in file.error


def test_what_a_command_makes_is_known_again_from_its_source(service: Path) -> None:
    source = PLAIN.replace('")', '", durable="d", concurrency=4)').replace("event)", "events: list[Event[X]])")
    write(service, "order_created_handler.py", source)
    (file,) = HANDLERS.files_in(service)
    assert file.regenerated() == Handler("order_created", "orders.order.created", "d", 4, batch=True)


@pytest.mark.parametrize(
    "source", ["", PLAIN + PLAIN, PLAIN.replace("created(", "paid("), PLAIN.replace('")', '", x=1)')]
)
def test_what_no_command_makes_is_not_taken_for_it(service: Path, source: str) -> None:
    write(service, "order_created_handler.py", source)
    with pytest.raises(InputError):
        HANDLERS.files_in(service)[0].regenerated()


def test_settings_have_a_name_a_default_and_a_meaning(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/config.py").write_text(
        """
class Base: x: int = 1
class Settings(BaseSettings):
    model_config = SettingsConfigDict()
    URL: str = Field(default="nats://x", description="Where")
    HOST: str = Field(default_factory=socket.gethostname)
    KEY: str = Field(..., description="Must be given")
    PLAIN: int = 3
    BARE: int
    KIND: ClassVar[str] = "x"
    _private: int = 1
class Files(PydanticBaseSettingsSource):
    y: int = 1
"""
    )
    assert [(one.name, one.default, one.meaning) for one in declared.settings_of(tmp_path)] == [
        ("URL", "'nats://x'", "Where"),
        ("HOST", "socket.gethostname()", ""),
        ("KEY", "", "Must be given"),
        ("PLAIN", "3", ""),
        ("BARE", "", ""),
    ]


def test_settings_that_cannot_be_read_are_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        declared.settings_of(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/config.py").write_text("class (")
    with pytest.raises(ValueError, match=r"^line 1: "):
        declared.settings_of(tmp_path)


def test_published_subjects_are_the_literal_ones(service: Path) -> None:
    write(service, "a_handler.py", 'await message.publish("b.c", x)\npublish("a.b")\npublish(name)\nunpublish("no")')
    write(service, "b_handler.py", "def (")
    write(
        service,
        "c_handler.py",
        'PAID = "c.d"\n@subscriber("x.y", publishes=[PAID, "d.e"])\ndef f(): ...\npublisher("e.f")',
    )
    assert declared.published_by(service) == ("a.b", "b.c", "c.d", "d.e", "e.f")
