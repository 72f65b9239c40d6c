"""Who may come to the server and do what there, and how that changes while it runs."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import nats
import nats.errors
import nkeys

from natsgen.harness.commands import run

Json = dict[str, Any]

CONNECT_SECONDS = 5.0


class Access(ABC):
    """What the server asks for, what the worker shows, and how both are renewed; files are in `folder`.

    Attributes:
        configuration: what the server's configuration says of it.
        settings: how the worker finds what it shows.
        publisher: nats-py's options for the publisher, whom no change shuts out.
        shared: whether the publisher shows the same as the worker. nats-py gives up when a reload ends its connection.
        client: nats-py's options for someone who shows what the worker has at this moment.
    """

    shared = False
    settings: dict[str, str]
    publisher: Json
    client: Json

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        self.generation = 0
        self.configuration = ""
        self.publisher = {}
        self.renew()
        self.hand_out()

    def renew(self) -> None:
        """Make new secrets for the server and the publisher; the worker's are those that were handed out."""
        self.generation += 1
        self._make()

    @abstractmethod
    def _make(self) -> None:
        """Make the secrets of this generation."""

    @abstractmethod
    def hand_out(self) -> None:
        """Put what the worker shows where it finds it."""


class Permissions(Access):
    """A user and a password that stay; what the user may do changes."""

    def _make(self) -> None:
        self.publisher = {"user": "admin", "password": "a"}
        self.client = {"user": "w", "password": "w"}
        self.settings = {"NATS_USER": "w", "NATS_PASSWORD": "w"}
        self.deny("")

    def hand_out(self) -> None:
        """The worker finds it in its settings."""

    def deny(self, denied: str) -> None:
        """Deny something, in the server's own words, and nothing else."""
        self.configuration = (
            "authorization { users: [ {user: admin, password: a}, "
            f"{{user: w, password: w, permissions: {{ {denied} }} }} ] }}"
        )


class Password(Access):
    """A password in a file."""

    def _make(self) -> None:
        secret = f"password-{self.generation}"
        self.publisher = {"user": "admin", "password": "a"}
        self.client = {"user": "w", "password": secret}
        self.settings = {"NATS_USER": "w", "NATS_PASSWORD_FILE": str(self.folder / "password")}
        self.configuration = (
            f"authorization {{ users: [ {{user: admin, password: a}}, {{user: w, password: {secret}}} ] }}"
        )

    def hand_out(self) -> None:
        (self.folder / "password").write_text(self.client["password"])


class Token(Access):
    """A token in a file; the publisher, for whom a server can have no other, learns of the new one at once."""

    shared = True

    def _make(self) -> None:
        self.client = {"token": f"token-{self.generation}"}
        self.publisher = {"token": lambda: self.client["token"]}
        self.settings = {"NATS_TOKEN_FILE": str(self.folder / "token")}
        self.configuration = f"authorization {{ token: {self.client['token']} }}"

    def hand_out(self) -> None:
        (self.folder / "token").write_text(self.client["token"])


class NKey(Access):
    """An NKey, whose seed is in a file."""

    def _make(self) -> None:
        pair, seed = _new_pair(nkeys.PREFIX_BYTE_USER)
        given = self.folder / f"seed-{self.generation}"
        given.write_bytes(seed)
        self.publisher = {"user": "admin", "password": "a"}
        self.client = {"nkeys_seed": str(given)}
        self.settings = {"NATS_NKEY_SEED_FILE": str(self.folder / "seed")}
        self.configuration = (
            f"authorization {{ users: [ {{user: admin, password: a}}, {{nkey: {pair.public_key.decode()}}} ] }}"
        )

    def hand_out(self) -> None:
        _replace(self.folder / "seed", Path(self.client["nkeys_seed"]))


class Credentials(Access):
    """A credentials file: a user's JWT and seed, of an account that revokes its earlier users."""

    def _make(self) -> None:
        if self.generation == 1:
            self._operator, _ = _new_pair(nkeys.PREFIX_BYTE_OPERATOR)
            named = {"type": "operator", "version": 2}
            self._operator_token = _token(self._operator, self._operator.public_key, named)  # a reload keeps it
            self._account, _ = _new_pair(nkeys.PREFIX_BYTE_ACCOUNT)
            self._system, _ = _new_pair(nkeys.PREFIX_BYTE_ACCOUNT)
            self._revoked: dict[str, int] = {}
            self._user = ""
            self.publisher = {"user_credentials": str(self._new_user("admin")[1])}
        if self._user:
            self._revoked[self._user] = int(time.time()) + 1
        self._user, given = self._new_user(f"w{self.generation}")
        self.client = {"user_credentials": str(given)}
        self.settings = {"NATS_CREDS_FILE": str(self.folder / "w.creds")}
        unlimited = ("subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage", "disk_storage")
        limits = {**dict.fromkeys((*unlimited, "streams", "consumer"), -1), "wildcards": True}
        of_system = {"type": "account", "version": 2}
        of_account = {**of_system, "limits": limits, "revocations": self._revoked}
        accounts = ((self._system, of_system), (self._account, of_account))
        known = [
            f"{pair.public_key.decode()}: {_token(self._operator, pair.public_key, claims)}"
            for pair, claims in accounts
        ]
        self.configuration = (
            f"operator: {self._operator_token}\n"
            f"system_account: {self._system.public_key.decode()}\n"
            f"resolver: MEMORY\n"
            f"resolver_preload: {{ {', '.join(known)} }}"
        )

    def hand_out(self) -> None:
        _replace(self.folder / "w.creds", Path(self.client["user_credentials"]))

    def _new_user(self, name: str) -> tuple[str, Path]:
        """A user of the account: the public key and the file."""
        pair, seed = _new_pair(nkeys.PREFIX_BYTE_USER)
        of_user = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
        file = self.folder / f"{name}-given.creds"
        file.write_text(
            "-----BEGIN NATS USER JWT-----\n"
            f"{_token(self._account, pair.public_key, of_user)}\n"
            "------END NATS USER JWT------\n\n"
            "-----BEGIN USER NKEY SEED-----\n"
            f"{seed.decode()}\n"
            "------END USER NKEY SEED------\n"
        )
        return pair.public_key.decode(), file


class Certificates(Access):
    """An authority, and by it the certificates of the server and of its clients, which the server asks for."""

    def _make(self) -> None:
        folder = self.folder / str(self.generation)
        folder.mkdir()
        authority = "-days 2 -subj /CN=authority -addext keyUsage=critical,keyCertSign"
        _openssl(folder, f"req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem {authority}")
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
        for who in ("server", "client"):
            _openssl(folder, f"req -newkey rsa:2048 -nodes -keyout {who}.key -out {who}.csr -subj /CN={who}")
            signed = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names"
            _openssl(folder, f"x509 -req -in {who}.csr -out {who}.pem {signed}")
        if self.generation > 1:  # who shows the old certificate trusts the new server: so it is the server that refuses
            self.client["tls"].load_verify_locations(folder / "ca.pem")
        self.client = {"tls": _shows(ssl.create_default_context(cafile=folder / "ca.pem"), folder)}
        if self.generation == 1:
            self.publisher = {"tls": ssl.create_default_context()}
        self.publisher["tls"].load_verify_locations(folder / "ca.pem")
        _shows(self.publisher["tls"], folder)
        names = {"NATS_TLS_CA": "ca.pem", "NATS_TLS_CERT": "client.pem", "NATS_TLS_KEY": "client.key"}
        self.settings = {name: str(self.folder / file) for name, file in names.items()}
        self.configuration = (
            f'tls {{ cert_file: "{folder}/server.pem", key_file: "{folder}/server.key", '
            f'ca_file: "{folder}/ca.pem", verify: true }}'
        )

    def hand_out(self) -> None:
        for file in ("ca.pem", "client.pem", "client.key"):
            _replace(self.folder / file, self.folder / str(self.generation) / file)


async def is_refused(url: str, client: Json) -> bool:
    """Whether the server lets nobody in who connects with these options of nats-py."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await nats.connect(url, **client, allow_reconnect=False, error_cb=_ignore)
    except (nats.errors.Error, OSError):  # of which a handshake that fails is one
        return True
    try:
        await connection.flush(CONNECT_SECONDS)  # with TLS 1.3 a certificate is refused after the handshake
    except (nats.errors.Error, OSError, TimeoutError):
        return True
    finally:
        await connection.close()
    return False


async def _ignore(_: Exception) -> None:
    """What is said of a refused connection is not needed."""


def _new_pair(prefix: int) -> tuple[nkeys.KeyPair, bytes]:
    seed = bytes(nkeys.encode_seed(os.urandom(32), prefix))
    return nkeys.from_seed(bytearray(seed)), seed


def _token(issuer: nkeys.KeyPair, subject: bytes, claims: Json) -> str:
    """A JWT as NATS has them: `claims` of the one whose public key is `subject`, signed by `issuer`."""
    about = {"iss": issuer.public_key.decode(), "sub": subject.decode(), "iat": int(time.time()), "name": "chaos"}
    head, body = ({"typ": "JWT", "alg": "ed25519-nkey"}, {**about, "jti": os.urandom(8).hex(), "nats": claims})
    signed = f"{_encoded(json.dumps(head).encode())}.{_encoded(json.dumps(body).encode())}"
    return f"{signed}.{_encoded(issuer.sign(signed.encode()))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _shows(context: ssl.SSLContext, folder: Path) -> ssl.SSLContext:
    context.load_cert_chain(folder / "client.pem", folder / "client.key")
    return context


def _openssl(folder: Path, arguments: str) -> None:
    run(["openssl", *arguments.split()], limit=30, folder=folder)


def _replace(file: Path, given: Path) -> None:
    """Puts the given content in the file's place in one step, as Kubernetes does."""
    new = file.with_suffix(".new")
    new.write_bytes(given.read_bytes())
    new.replace(file)
