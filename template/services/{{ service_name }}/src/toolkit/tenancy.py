"""Tenants: each has its own subjects, keys and objects, and no name leads out of them.

    tenant = current_tenant()
    await publish(tenant.subject("orders.order.created"), event)   # tenants.acme.orders.order.created
    await settings.put(tenant.key("colour"), "green")              # tenants.acme.colour
    await documents.put(tenant.object("terms.pdf"), path)          # tenants/acme/terms.pdf

Names keep the tenants of one service apart. Services are kept apart by the accounts and permissions of NATS.
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
SCOPE = "tenants"  # the prefix of every tenant's names, so that no tenant's name can be that of something else

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
SUBJECT = re.compile(r"[^\s.*>\x00-\x20\x7f]+(\.[^\s.*>\x00-\x20\x7f]+)*")
PATTERN = re.compile(r"([^\s.*>\x00-\x20\x7f]+|\*)(\.([^\s.*>\x00-\x20\x7f]+|\*))*(\.>)?|>")
KEY = re.compile(r"[-/_=A-Za-z0-9]+(\.[-/_=A-Za-z0-9]+)*")
OBJECT = re.compile(r"[^\\\x00-\x1f\x7f]+")
LONGEST = 1024  # bytes of a whole name


class TenancySettings(ServiceSettings):
    """The tenant of this instance."""

    TENANT: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]{0,63})?$",
        description="Tenant that this instance works for; empty takes it from each message or request",
    )


settings = load(TenancySettings)
_bound: ContextVar[Tenant | None] = ContextVar("tenant", default=None)


class NoTenant(Exception):
    """Raised when neither the message, the request nor the setting `TENANT` says which tenant something is for."""


class OtherTenant(Exception):
    """Raised when something is for another tenant than this instance's."""


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
            raise ValueError(f"tenant {str(self.id)[:80]!r}: an id takes 1 to 64 letters, digits, _ and -")

    @property
    def headers(self) -> dict[str, str]:
        """Return the header of the tenant's messages. It is passed on with everything that follows from a message."""
        return {HEADER: self.id}

    def subject(self, name: str, *, wildcards: bool = False) -> str:
        """Return the tenant's own subject of this name.

        Args:
            name: tokens joined by dots.
            wildcards: whether `*` and a last `>` are allowed, to listen.

        Raises:
            ValueError: it is not a subject.
        """
        return self._scoped("subject", ".", name, PATTERN if wildcards else SUBJECT, "tokens joined by dots")

    def key(self, name: str) -> str:
        """Return the tenant's own key of this name.

        Raises:
            ValueError: it is not a key.
        """
        return self._scoped("key", ".", name, KEY, "letters, digits, - / _ = and single dots")

    def object(self, name: str) -> str:
        """Return the tenant's own object of this name, which is also safe as a path.

        Raises:
            ValueError: it is empty, absolute, has a part that is empty, `.` or `..`, or has invisible characters.
        """
        if any(part.strip(" ") in ("", ".", "..") for part in name.split("/")):
            raise ValueError(f"object {name[:80]!r} of tenant {self.id}: it takes parts joined by /, none of them ..")
        return self._scoped("object", "/", name, OBJECT, "visible characters, and no backslash")

    @contextmanager
    def bound(self) -> Iterator[Tenant]:
        """Make this the `current_tenant` of the block, and add it to every line that is logged there."""
        token = _bound.set(self)
        try:
            with bound_contextvars(tenant=self.id):
                yield self
        finally:
            _bound.reset(token)

    def _scoped(self, kind: str, separator: str, name: str, allowed: re.Pattern[str], takes: str) -> str:
        scoped = separator.join((SCOPE, self.id, name))
        try:
            size = len(scoped.encode())
        except UnicodeEncodeError:  # it holds a surrogate
            size = LONGEST + 1
        if not allowed.fullmatch(name) or size > LONGEST:
            raise ValueError(
                f"{kind} {name[:80]!r} of tenant {self.id}: it takes {takes}, and {LONGEST} bytes as a whole"
            )
        return scoped


def current_tenant() -> Tenant:
    """Return the tenant that something is being done for.

    It is the bound one, else that of the header `Tenant-Id` of the message or request being handled, else the setting
    `TENANT`.

    Raises:
        NoTenant: there is none.
        OtherTenant: `TENANT` is another than the rest says.
        ValueError: the header holds an invalid id.
    """
    tenant, incoming = _bound.get(), current.get()
    if tenant is None and incoming is not None and (header := incoming.headers.get(HEADER)) is not None:
        tenant = Tenant(header)
    if tenant is None:
        if not settings.TENANT:
            raise NoTenant(f"there is no header {HEADER}, and TENANT is not set")
        return Tenant(settings.TENANT)
    if settings.TENANT not in ("", tenant.id):
        raise OtherTenant(f"this is for tenant {tenant.id}, and this instance works for {settings.TENANT} alone")
    return tenant
