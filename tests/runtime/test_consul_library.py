"""Consul's client is loaded without requests, which whoever wants it still gets."""

from __future__ import annotations

import subprocess
import sys

from tests.runtime.conftest import WORKSPACE


def run(code: str) -> str:
    """What a fresh interpreter in the service's folder prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=WORKSPACE / "services" / "billing", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_consul_does_not_load_requests() -> None:
    assert run("import sys, src.infrastructure.consul_client; print('requests' in sys.modules)") == "False"


def test_the_synchronous_client_works_all_the_same() -> None:
    asked = "import consul\ntry: consul.Consul(port=1).status.leader()\nexcept OSError as error: print(type(error))"
    kind = run(f"import src.infrastructure.consul.consul_library\n{asked}")
    assert kind == "<class 'requests.exceptions.ConnectionError'>"


def test_a_handler_that_imports_requests_gets_it_before_and_after() -> None:
    before = run("import requests, src.infrastructure.consul.consul_library; print(requests.Session.__name__)")
    after = run("import src.infrastructure.consul.consul_library, requests; print(requests.Session.__name__)")
    assert before == after == "Session"
