"""The service's own settings, from the environment and `.env`, checked at start. This file is yours."""

from __future__ import annotations

from src.config import ServiceSettings, load


class OwnSettings(ServiceSettings):
    """Add a field for each setting, such as `WAREHOUSE_URL: str`. Name secrets in `SECRETS`, as in `src/config.py`."""


own_settings = load(OwnSettings)
