"""What every test may need: the reasons to leave one out, and when that is not allowed."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile

import pytest

from natsgen.harness.docker_engine import Availability, docker_available
from natsgen.harness.programs import find_program
from tests import features

docker = functools.cache(docker_available)


@functools.cache
def consul() -> Availability:
    return Availability("" if find_program("consul") else "no `consul` program beside the interpreter or on PATH")


@functools.cache
def node() -> Availability:
    missing = [name for name in ("node", "npm") if not find_program(name)]
    return Availability(f"no {' and no '.join(f'`{name}`' for name in missing)} on PATH" if missing else "")


# Redis runs as a container
PARTS = {"docker": docker, "consul": consul, "redis": docker, "node": node}
REQUIRED = set(filter(None, os.environ.get("NATSGEN_REQUIRE", "").split(",")))
"""Parts that must be there, such as `docker,node` in CI: a test that needs one fails without, and is not skipped."""


def pytest_configure(config: pytest.Config) -> None:
    # what natsgen remembers of a person is that person's, and no test's
    for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        os.environ[variable] = tempfile.mkdtemp(prefix="natsgen-tests-")
        atexit.register(shutil.rmtree, os.environ[variable], ignore_errors=True)
    features.watch(config, PARTS)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name, availability in PARTS.items():
        if item.get_closest_marker(name) and not availability():
            if name in REQUIRED:
                pytest.fail(f"NATSGEN_REQUIRE names {name}, but: {availability().reason}", pytrace=False)
            pytest.skip(availability().reason)
