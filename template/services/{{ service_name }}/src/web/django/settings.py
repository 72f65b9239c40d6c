"""Django's own settings: https://docs.djangoproject.com/en/stable/ref/settings/

What differs from one installation to the next comes from the environment, as everywhere in the service. There is no
database, no session and no admin; what you add of Django is added here.
"""

from __future__ import annotations

from secrets import token_urlsafe

from src.web.django.config import settings

DEBUG = False  # its pages would show internals
SECRET_KEY = settings.DJANGO_SECRET_KEY.get_secret_value() if settings.DJANGO_SECRET_KEY else token_urlsafe(50)
ALLOWED_HOSTS = settings.allowed_hosts
ROOT_URLCONF = "src.web.django.urls"
INSTALLED_APPS: list[str] = []
MIDDLEWARE: list[str] = []
APPEND_SLASH = False
DATABASES: dict[str, dict[str, str]] = {}
DATA_UPLOAD_MAX_MEMORY_SIZE = None  # the gateway has read the body by then: HTTP_MAX_BODY
FILE_UPLOAD_MAX_MEMORY_SIZE = settings.HTTP_MAX_BODY + 1  # no body goes to the disk: the container's is read-only
LOGGING_CONFIG = None  # the logs are the service's
USE_I18N = False
USE_TZ = True
