"""Django's own settings: https://docs.djangoproject.com/en/stable/ref/settings/

Values that differ between installations come from the environment. There is no database, session or admin; add the
parts of Django that you use here.
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
        description="Key that Django signs with; by default random at every start, which is enough if no other "
        "instance reads signed data",
    )
    ALLOWED_HOSTS: str = Field(
        default="*",
        description="Accepted values of the header `Host`, separated by commas; `.example.com` includes its subdomains",
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
DATA_UPLOAD_MAX_MEMORY_SIZE = None  # the gateway has already limited the body: HTTP_MAX_BODY
FILE_UPLOAD_MAX_MEMORY_SIZE = web_settings.HTTP_MAX_BODY + 1  # the disk is read-only
LOGGING_CONFIG = None  # the service has its own logs
TIME_ZONE = "UTC"  # Django sets it for the whole process
USE_I18N = False
USE_TZ = True
