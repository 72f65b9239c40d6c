"""Django's own settings: https://docs.djangoproject.com/en/stable/ref/settings/

Values that differ between installations come from the environment. There is no database, session or admin; add here
what you use of Django.
"""

from __future__ import annotations

from secrets import token_urlsafe

from pydantic import Field, SecretStr

from src.config import ServiceSettings, load
from src.web.settings import settings as web_settings


class DjangoSettings(ServiceSettings):
    """The settings of Django that differ between installations."""

    SECRETS = ("DJANGO_SECRET_KEY",)

    DJANGO_SECRET_KEY: SecretStr | None = Field(
        default=None,
        description="The key that Django signs with; random at every start by default, which is enough as long as no "
        "other instance has to read what is signed",
    )
    ALLOWED_HOSTS: str = Field(
        default="*",
        description="Names that requests may be for (their `Host`), comma-separated; `.example.com` with all below it",
    )


_settings = load(DjangoSettings)

DEBUG = False  # its pages would show internals
SECRET_KEY = _settings.DJANGO_SECRET_KEY.get_secret_value() if _settings.DJANGO_SECRET_KEY else token_urlsafe(50)
ALLOWED_HOSTS = [name.strip() for name in _settings.ALLOWED_HOSTS.split(",") if name.strip()]
ROOT_URLCONF = "src.web.django.urls"
INSTALLED_APPS: list[str] = []
MIDDLEWARE: list[str] = []
APPEND_SLASH = False
DATABASES: dict[str, dict[str, str]] = {}
DATA_UPLOAD_MAX_MEMORY_SIZE = None  # the gateway has limited the body by then: HTTP_MAX_BODY
FILE_UPLOAD_MAX_MEMORY_SIZE = web_settings.HTTP_MAX_BODY + 1  # no body goes to the disk: the container's is read-only
LOGGING_CONFIG = None  # the service has its own logs
TIME_ZONE = "UTC"  # Django sets it for the whole process
USE_I18N = False
USE_TZ = True
