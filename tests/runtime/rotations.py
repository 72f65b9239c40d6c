"""Credentials of each kind, as a server wants them and as a service has them in files."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import nkeys


@dataclass(frozen=True)
class Credentials:
    """What a service proves itself with, or what it knows a server by.

    Attributes:
        configuration: of the server that wants them.
        files: their content, by name.
    """

    configuration: str
    files: dict[str, str] = field(default_factory=dict)


def nkey(folder: Path) -> Credentials:
    """A seed, and a server that knows its user."""
    pair, seed = new_key(nkeys.PREFIX_BYTE_USER)
    return Credentials(f"authorization {{ users: [ {{nkey: {pair.public_key.decode()}}} ] }}", {"seed": seed})


def creds(folder: Path) -> Credentials:
    """A file of credentials, and a server of the operator that issued them."""
    (operator, _), (account, _) = new_key(nkeys.PREFIX_BYTE_OPERATOR), new_key(nkeys.PREFIX_BYTE_ACCOUNT)
    user, seed = new_key(nkeys.PREFIX_BYTE_USER)
    limits = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
    of_operator = token(operator, operator, {"type": "operator"})
    of_account = token(operator, account, {"type": "account", "limits": {**limits, "wildcards": True}})
    of_user = token(account, user, {"type": "user", "subs": -1, "data": -1, "payload": -1})
    name = account.public_key.decode()
    file = (
        f"-----BEGIN NATS USER JWT-----\n{of_user}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
    configuration = (
        f"operator: {of_operator}\nsystem_account: {name}\n"
        f"resolver: MEMORY\nresolver_preload: {{ {name}: {of_account} }}"
    )
    return Credentials(configuration, {"creds": file})


def tls(folder: Path) -> Credentials:
    """An authority, a client's certificate and key, and a server that has and wants one of that authority."""
    folder.mkdir()
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    authority = ("-subj", "/CN=authority", "-days", "2", "-addext", "keyUsage=critical,keyCertSign")
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", *authority)
    # Python 3.13 wants both extensions, the use of the key and the one here
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    for name in ("server", "client"):
        openssl(folder, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        issuer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *issuer)
    configuration = (
        f'tls {{ cert_file: "{folder}/server.pem", key_file: "{folder}/server.key", '
        f'ca_file: "{folder}/ca.pem", verify: true, timeout: 5 }}'
    )
    files = {"ca": "ca.pem", "cert": "client.pem", "key": "client.key"}
    return Credentials(configuration, {name: (folder / file).read_text() for name, file in files.items()})


def new_key(kind: int) -> tuple[nkeys.KeyPair, str]:
    """A new pair of keys, and its seed."""
    seed = nkeys.encode_seed(os.urandom(32), kind)
    return nkeys.from_seed(bytearray(seed)), seed.decode()


def token(issuer: nkeys.KeyPair, subject: nkeys.KeyPair, claims: dict[str, object]) -> str:
    """A JWT as NATS reads it."""
    body = {"iat": 1, "iss": issuer.public_key.decode(), "sub": subject.public_key.decode(), "name": "x"}
    parts = ({"typ": "JWT", "alg": "ed25519-nkey"}, {**body, "nats": {"version": 2, **claims}})
    text = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    return f"{text}.{encoded(issuer.sign(text.encode()))}"


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
