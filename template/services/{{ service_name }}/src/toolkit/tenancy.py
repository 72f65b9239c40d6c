"""Tenants, each with separate subjects, keys and objects.

    tenant = current_tenant()
    await publish(tenant.subject("orders.order.created"), event)   # tenants.acme.orders.order.created
    await settings.put(tenant.key("colour"), "green")              # tenants.acme.colour
    await documents.put(tenant.object("terms.pdf"), path)          # tenants/acme/terms.pdf

Names separate the tenants of one service. NATS accounts and permissions separate services.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from pydantic import Field
from structlog.contextvars import bound_contextvars

from src.config import ServiceSettings, load
from src.domain.events import current

HEADER = "Tenant-Id"
SCOPE = "tenants"  # the prefix of every tenant's names, so that they cannot equal other names

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
TOKEN = r"[^\s.*>\x00-\x20\x7f\ud800-\udfff]+"  # without surrogates, which UTF-8 does not have
SUBJECT = re.compile(rf"{TOKEN}(\.{TOKEN})*")
PATTERN = re.compile(rf"({TOKEN}|\*)(\.({TOKEN}|\*))*(\.>)?|>")
KEY = re.compile(r"[-/_=A-Za-z0-9]+(\.[-/_=A-Za-z0-9]+)*")
OBJECT = re.compile(r"[^\\\x00-\x1f\x7f\ud800-\udfff]+")
MAX_LENGTH = 1024  # bytes of a whole name


class TenancySettings(ServiceSettings):
    """The tenant of this instance."""

    TENANT: str = Field(
        default="",
        pattern=f"^({ID.pattern})?$",
        description="Tenant of this instance; if empty, each message or request names its tenant",
    )


settings = load(TenancySettings)
_bound: ContextVar[Tenant | None] = ContextVar("tenant", default=None)


class NoTenant(Exception):
    """Raised when no message, request or setting `TENANT` names a tenant."""


class OtherTenant(Exception):
    """Raised when a message or request is for a tenant other than this instance's."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant.

    Attributes:
        id: 1 to 64 letters, digits, `_` and `-`; the first is a letter or digit.

    Raises:
        ValueError: the id is invalid.
    """

    id: str

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not ID.fullmatch(self.id):
            raise ValueError(f"invalid tenant {str(self.id)[:80]!r}: use 1 to 64 letters, digits, _ and -")

    @property
    def headers(self) -> dict[str, str]:
        """Return the header of the tenant's messages. It is passed on to messages that follow from one."""
        return {HEADER: self.id}

    def subject(self, name: str, *, wildcards: bool = False) -> str:
        """Return the tenant's subject of this name.

        Args:
            name: tokens joined by dots.
            wildcards: whether `*` and a final `>` are allowed, for subscribing.

        Raises:
            ValueError: it is not a valid subject.
        """
        return self._scoped("subject", ".", name, PATTERN if wildcards else SUBJECT, "tokens joined by dots")

    def key(self, name: str) -> str:
        """Return the tenant's key of this name.

        Raises:
            ValueError: it is not a valid key.
        """
        return self._scoped("key", ".", name, KEY, "letters, digits, - / _ = and single dots")

    def object(self, name: str) -> str:
        """Return the tenant's object of this name, which is also safe as a path.

        Raises:
            ValueError: it is empty, absolute, has a part that is empty, `.` or `..`, or has invisible characters.
        """
        if any(part.strip(" ") in ("", ".", "..") for part in name.split("/")):
            raise ValueError(f"object {name[:80]!r} of tenant {self.id}: use parts joined by /, none of them ..")
        return self._scoped("object", "/", name, OBJECT, "visible characters, and no backslash")

    @contextmanager
    def bound(self) -> Iterator[Tenant]:
        """Make this the `current_tenant` in the block, and add it to every line logged there."""
        token = _bound.set(self)
        try:
            with bound_contextvars(tenant=self.id):
                yield self
        finally:
            _bound.reset(token)

    def _scoped(self, kind: str, separator: str, name: str, allowed: re.Pattern[str], takes: str) -> str:
        scoped = separator.join((SCOPE, self.id, name))
        if not allowed.fullmatch(name) or len(scoped.encode()) > MAX_LENGTH:
            raise ValueError(
                f"{kind} {name[:80]!r} of tenant {self.id}: use {takes}, and at most {MAX_LENGTH} bytes in all"
            )
        return scoped


def current_tenant() -> Tenant:
    """Return the current tenant.

    It is the bound one, else that of the header `Tenant-Id` of the message or request being handled, else the setting
    `TENANT`.

    Raises:
        NoTenant: there is none.
        OtherTenant: `TENANT` is a different one.
        ValueError: the header contains an invalid id.
    """
    tenant, incoming = _bound.get(), current.get()
    if tenant is None and incoming is not None and (header := incoming.headers.get(HEADER)) is not None:
        tenant = Tenant(header)
    if tenant is None:
        if not settings.TENANT:
            raise NoTenant(f"neither the header {HEADER} nor TENANT is set")
        return Tenant(settings.TENANT)
    if settings.TENANT not in ("", tenant.id):
        raise OtherTenant(f"this is for tenant {tenant.id}, but this instance works only for {settings.TENANT}")
    return tenant
