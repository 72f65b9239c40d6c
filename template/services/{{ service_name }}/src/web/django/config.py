"""The settings that only a gateway in Django has; see `src/config.py`."""

from __future__ import annotations

from pydantic import Field, SecretStr

from src.config import load
from src.web.config import WebSettings


class DjangoSettings(WebSettings):
    """The gateway's settings, and those of Django that differ from one installation to the next."""

    SECRETS = (*WebSettings.SECRETS, "DJANGO_SECRET_KEY")

    DJANGO_SECRET_KEY: SecretStr | None = Field(
        default=None,
        description="What Django signs with; made at random at every start unless given, which is enough as long as "
        "nothing is signed that another instance reads",
    )
    ALLOWED_HOSTS: str = Field(
        default="*",
        description="Names that requests may be for (their `Host`), comma-separated; `.example.com` with all below it",
    )

    @property
    def allowed_hosts(self) -> list[str]:
        """The names in `ALLOWED_HOSTS`."""
        return [name.strip() for name in self.ALLOWED_HOSTS.split(",") if name.strip()]


settings = load(DjangoSettings)
