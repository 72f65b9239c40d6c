"""Tenants: each has subjects, keys and objects of its own, which no name can lead out of.

    tenant = current_tenant()
    await publish(tenant.subject("orders.order.created"), event)   # tenants.acme.orders.order.created
    await settings.put(tenant.key("colour"), "green")              # tenants.acme.colour
    await documents.put(tenant.object("terms.pdf"), path)          # tenants/acme/terms.pdf

The names alone keep tenants of one service apart; what keeps services apart are accounts and permissions of NATS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from structlog.contextvars import bound_contextvars

from src.config import settings
from src.infrastructure.handling.context import current_message, current_request
from src.toolkit.errors import InvalidName, ToolkitError
from src.toolkit.kv import KEY, LONGEST_KEY

HEADER = "Tenant-Id"
SCOPE = "tenants"  # in front of every tenant's names, so that no tenant can be called as something else is

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
SUBJECT = re.compile(r"[^\s.*>\x00-\x20\x7f]+(\.[^\s.*>\x00-\x20\x7f]+)*")
PATTERN = re.compile(r"([^\s.*>\x00-\x20\x7f]+|\*)(\.([^\s.*>\x00-\x20\x7f]+|\*))*(\.>)?|>")
NOT_IN_OBJECTS = re.compile(r"[\\\x00-\x1f\x7f]")
LONGEST = 1024  # bytes of a whole name

_bound: ContextVar[Tenant | None] = ContextVar("tenant", default=None)


class NoTenant(ToolkitError):
    """Nothing says for which tenant this is."""


class OtherTenant(ToolkitError):
    """What is being handled is another tenant's than this instance's."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant.

    Attributes:
        id: 1 to 64 letters, digits, `_` and `-`; the first is a letter or digit.

    Raises:
        InvalidName: the id is none.
    """

    id: str

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not ID.fullmatch(self.id):
            raise InvalidName(f"tenant {str(self.id)[:80]!r}: an id takes 1 to 64 letters, digits, _ and -")

    @property
    def headers(self) -> dict[str, str]:
        """What says so to whoever gets a message; passed on by itself with what follows from a tenant's message."""
        return {HEADER: self.id}

    def subject(self, name: str, *, wildcards: bool = False) -> str:
        """The tenant's own subject of this name.

        Args:
            name: tokens joined by dots.
            wildcards: whether it is to listen to, so that `*` and a last `>` may be in it.

        Raises:
            InvalidName: it is no subject.
        """
        if not (PATTERN if wildcards else SUBJECT).fullmatch(name):
            raise InvalidName(f"subject {name[:80]!r} of tenant {self.id}: it takes tokens joined by dots")
        return self._short_enough("subject", f"{SCOPE}.{self.id}.{name}")

    def key(self, name: str) -> str:
        """The tenant's own key of this name.

        Raises:
            InvalidName: it is no key.
        """
        key = f"{SCOPE}.{self.id}.{name}"
        if len(key) > LONGEST_KEY or not KEY.fullmatch(name):
            raise InvalidName(
                f"key {name[:80]!r} of tenant {self.id}: it takes letters, digits, - / _ = and single dots"
            )
        return key

    def object(self, name: str) -> str:
        """The tenant's own object of this name, which is safe as a path too.

        Raises:
            InvalidName: it is empty, absolute, has a part that is empty, `.` or `..`, or characters that show nothing.
        """
        parts = name.split("/")
        if NOT_IN_OBJECTS.search(name) or any(part.strip(" ") in ("", ".", "..") for part in parts):
            raise InvalidName(f"object {name[:80]!r} of tenant {self.id}: it takes parts joined by /, none of them ..")
        return self._short_enough("object", f"{SCOPE}/{self.id}/{name}")

    @contextmanager
    def bound(self) -> Iterator[Tenant]:
        """Has `current_tenant` be this one inside, and every line that is logged there say so."""
        token = _bound.set(self)
        try:
            with bound_contextvars(tenant=self.id):
                yield self
        finally:
            _bound.reset(token)

    def _short_enough(self, kind: str, name: str) -> str:
        try:
            size = len(name.encode())
        except UnicodeEncodeError:
            raise InvalidName(f"{kind} of tenant {self.id}: it is no text") from None
        if size > LONGEST:
            raise InvalidName(
                f"{kind} {name[:80]!r}... of tenant {self.id}: it has {size} bytes, and may have {LONGEST}"
            )
        return name


def current_tenant() -> Tenant:
    """The tenant for which something is being done: as bound, as the header `Tenant-Id` says of the message or request
    that is being handled, or as the setting `TENANT` says.

    Raises:
        NoTenant: none of them says.
        OtherTenant: `TENANT` says another than the rest.
        InvalidName: the header holds no tenant's id.
    """
    tenant = _bound.get() or _of_what_is_handled()
    if tenant is None:
        if not settings.TENANT:
            raise NoTenant(f"there is no header {HEADER}, and TENANT is not set")
        return Tenant(settings.TENANT)
    if settings.TENANT not in ("", tenant.id):
        raise OtherTenant(f"this is for tenant {tenant.id}, and this instance works for {settings.TENANT} alone")
    return tenant


def _of_what_is_handled() -> Tenant | None:
    handled = current_message.get() or current_request.get()
    identity = handled.headers.get(HEADER) if handled else None
    return None if identity is None else Tenant(identity)
