"""Tests that the gateway finds all routes, and of its own responses."""

from __future__ import annotations

from pathlib import Path

from src.web import routes
from src.web.discovery import route_modules
from tests.routes.conftest import Http


def test_every_route_file_is_found() -> None:
    files = {path.stem for path in Path(routes.__path__[0]).glob("*_route.py")}

    assert {module.__name__.rpartition(".")[2] for module in route_modules()} == files


async def test_an_unknown_path_is_404_in_the_form_of_every_error(http: Http) -> None:
    response = await http("GET", "/there/is/no/such/path")

    assert response.status == 404
    assert response.json["error"]["code"] == "404"


async def test_the_client_gets_its_correlation_id_back(http: Http) -> None:
    response = await http("GET", "/there/is/no/such/path", headers={"X-Correlation-ID": "corr_123"})

    assert response.headers["x-correlation-id"] == "corr_123"


async def test_it_is_alive_and_not_ready_without_nats(http: Http) -> None:
    assert (await http("GET", "/healthz")).status == 200
    assert (await http("GET", "/readyz")).status == 503
