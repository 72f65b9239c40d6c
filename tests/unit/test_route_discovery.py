"""What is read of routes from a gateway's source, whatever a person wrote there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from natsgen.errors import InputError
from natsgen.parts.routes import ROUTES, FoundRoute, Route

FASTAPI = (
    '@router.post("/greet")\nasync def greet(request, nats):\n    return await nats.call("v1.greeter.greet", request)\n'
)
DJANGO = FASTAPI.replace('@router.post("/greet")', '@route("POST", "/greet")')


@pytest.fixture
def service(tmp_path: Path) -> Path:
    (tmp_path / "src/web/routes").mkdir(parents=True)
    return tmp_path


def write(service: Path, name: str, source: str) -> None:
    (service / "src/web/routes" / name).write_text(source)


def found_in(source: str) -> FoundRoute:
    (route,) = FoundRoute.all_in(ast.parse(source))
    return route


@pytest.mark.parametrize(
    "source",
    [
        FASTAPI,
        DJANGO,
        FASTAPI.replace('"/greet"', 'path="/greet", status_code=200'),
        FASTAPI.replace("@router", "@src.web.app"),
        FASTAPI.replace("nats.call", "call"),
        FASTAPI.replace('call("', 'call(subject="').replace('greet", request', 'greet", payload=request'),
        f'router = APIRouter(prefix="/greet")\n{FASTAPI.replace("/greet", "")}',
        DJANGO.replace('"POST", "/greet"', 'path="/greet", method="POST"'),
        DJANGO.replace("@route", "from x import route as answers\n@answers"),
        DJANGO.replace("@route", "@web.route"),
        f"import nothing.at.all\n{FASTAPI}\n1 / 0",
        FASTAPI.replace("async def", "def").replace("await ", ""),
    ],
)
def test_a_route_is_found_however_it_is_written(source: str) -> None:
    found = found_in(source)
    assert (found.name, found.about("api").literal, found.key("api")) == ("greet", "POST /greet", ("POST", "/greet"))
    assert ([subject.literal for subject in found.calls], found.publishes) == (["v1.greeter.greet"], ())


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_the_method_is_that_of_the_decorator(method: str) -> None:
    assert found_in(FASTAPI.replace("post", method)).about("api").text == f"{method.upper()} /greet"


def test_what_is_published_is_found_beside_what_is_called() -> None:
    found = found_in(FASTAPI + '    await publisher.publish("a.b", 1)\n    await publish(SUBJECT, 2)\n')
    assert [subject.text for subject in found.publishes] == ["a.b", "SUBJECT"]
    assert len(found.calls) == 1


@pytest.mark.parametrize(
    ("source", "request_text"),
    [
        (FASTAPI.replace('"/greet"', "PATH"), "POST {PATH}"),
        (FASTAPI.replace('"/greet"', ""), "POST {}"),
        (DJANGO.replace('"POST", ', 'METHOD, "/greet", '), "{METHOD} /greet"),
        (DJANGO.replace('"POST", "/greet"', ""), "{} {}"),
    ],
)
def test_what_is_no_literal_is_shown_as_it_is_written(source: str, request_text: str) -> None:
    found = found_in(source)
    assert (found.about("api").text, found.about("api").is_text, found.key("api")) == (request_text, False, None)


@pytest.mark.parametrize("source", ["@get('/x')\nasync def x(): ...", "@router.post\nasync def x(): ...", "post('/x')"])
def test_what_is_no_route_is_not_taken_for_one(source: str) -> None:
    assert FoundRoute.all_in(ast.parse(source)) == ()


def test_routes_are_in_the_order_of_the_file() -> None:
    functions = [FASTAPI.replace("greet(", f"{name}(").replace("post", name) for name in ("put", "get")]
    assert [found.name for found in FoundRoute.all_in(ast.parse("".join(functions)))] == ["put", "get"]


def test_a_file_that_does_not_parse_says_why_and_hides_no_other(service: Path) -> None:
    write(service, "a_route.py", "def (")
    write(service, "b_route.py", DJANGO)
    write(service, "c_route.py", "async def c(): ...")
    write(service, "helper.py", DJANGO)
    broken, good, none = ROUTES.files_in(service)
    assert (broken.error, broken.names) == ("line 1: invalid syntax", ())
    assert (good.error, good.names) == ("", ("greet",))
    assert none.error.startswith("it has no @router.post, @route")


@pytest.mark.parametrize("source", [FASTAPI, DJANGO])
def test_what_a_command_makes_is_known_again_from_its_source(service: Path, source: str) -> None:
    write(service, "greet_route.py", source)
    (file,) = ROUTES.files_in(service)
    assert file.regenerated() == Route("greet", "POST", "/greet", call="v1.greeter.greet")
    write(service, "greet_route.py", source.replace("nats.call", "publish"))
    (file,) = ROUTES.files_in(service)
    assert file.regenerated() == Route("greet", "POST", "/greet", publish="v1.greeter.greet")


@pytest.mark.parametrize(
    "source",
    [
        "",
        FASTAPI + FASTAPI,
        FASTAPI.replace("def greet", "def other"),
        FASTAPI.replace('"/greet"', "PATH"),
        FASTAPI.replace('"v1.greeter.greet"', "SUBJECT"),
        FASTAPI.replace("nats.call", "nats.request"),
        FASTAPI + '    await publish("a.b")\n',
        DJANGO.replace('"POST"', '"HEAD"'),
    ],
)
def test_what_no_command_makes_is_not_taken_for_it(service: Path, source: str) -> None:
    write(service, "greet_route.py", source)
    with pytest.raises(InputError):
        ROUTES.files_in(service)[0].regenerated()
