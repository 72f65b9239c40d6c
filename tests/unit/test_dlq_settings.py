"""How `natsgen dlq` finds out how to connect: the worker's names, in the worker's order."""

from __future__ import annotations

from pathlib import Path

import pytest

from natsgen.dlq.settings import read
from natsgen.errors import InputError

SECRET = "s3cr3t"


@pytest.fixture
def service(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text(f"{SECRET}\n")
    (tmp_path / "user.creds").write_text("creds")
    (tmp_path / ".env").write_text(
        "SERVICE_NAME=billing\nNATS_URL='nats://a:1, tls://b:2'\nNATS_USER=me\nNATS_PASSWORD_FILE=password\n"
        "NATS_CREDS_FILE=user.creds\nNATS_TOKEN=\n"
    )
    return tmp_path


def test_without_anything_it_is_the_local_server() -> None:
    found = read(None, {}, None)
    assert (found.servers, found.inbox, dict(found.credentials)) == (("nats://localhost:4222",), "_INBOX_natsgen", {})


def test_the_env_file_of_a_service_counts_with_paths_relative_to_it(service: Path) -> None:
    found = read(None, {}, service)
    assert (found.servers, found.inbox) == (("nats://a:1", "tls://b:2"), "_INBOX_billing")
    assert found.credentials == {
        "user": "me",
        "password": SECRET,
        "user_credentials": str(service / "user.creds"),
    }


def test_the_option_goes_before_the_environment_and_that_before_the_file(service: Path) -> None:
    environment = {"NATS_URL": "nats://c:3", "NATS_PASSWORD": "other", "NATS_USER": ""}
    assert read(None, environment, service).servers == ("nats://c:3",)
    found = read("d", environment, service)
    assert (found.servers, found.credentials["password"], found.credentials["user"]) == (("d",), "other", "me")


def test_secrets_are_not_in_its_representation(service: Path) -> None:
    assert SECRET not in repr(read(None, {"NATS_TOKEN": SECRET}, service))


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"NATS_URL": f"http://{SECRET}"}, "NATS_URL: invalid address"),
        ({"NATS_URL": f"nats://me:{SECRET}@"}, "NATS_URL: invalid address"),
        ({"NATS_URL": f"nats://[{SECRET}"}, "NATS_URL: invalid address"),
        ({"NATS_URL": " , "}, "NATS_URL: invalid address"),
        ({"NATS_USER": "me"}, "set both or neither of NATS_USER and NATS_PASSWORD"),
        ({"NATS_TLS_CERT": __file__}, "set both or neither of NATS_TLS_CERT and NATS_TLS_KEY"),
        ({"NATS_CREDS_FILE": "/nowhere"}, "NATS_CREDS_FILE: invalid path '/nowhere'"),
        ({"NATS_TOKEN_FILE": "/nowhere"}, "NATS_TOKEN_FILE: invalid path '/nowhere'"),
        ({"NATS_URL": "consul://nats"}, "NATS_URL: invalid address"),
    ],
)
def test_a_bad_value_is_named_without_a_secret(environment: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read(None, environment, None)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("content", "said"), [(b"", "is empty"), (b"\xff\xfe", "cannot be read")])
def test_a_file_for_a_secret_must_hold_one(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(InputError, match=f"NATS_TOKEN_FILE: .* {said}"):
        read(None, {"NATS_TOKEN_FILE": str(tmp_path / "token")}, None)


def test_an_env_file_that_is_no_text_is_one_message(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"\.env cannot be read"):
        read(None, {}, tmp_path)
