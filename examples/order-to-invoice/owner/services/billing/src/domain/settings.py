"""The service's own settings, from the environment and `.env`, checked at start. This file is yours."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from src.config import ServiceSettings, load


class OwnSettings(ServiceSettings):
    """Says where the invoices and the warehouse are."""

    SECRETS: ClassVar[tuple[str, ...]] = ("WAREHOUSE_TOKEN",)

    DATABASE: Path = Field(Path("invoices.db"), description="File of the invoices")
    WAREHOUSE_URL: str = Field(description="Address of the warehouse")
    WAREHOUSE_TOKEN: SecretStr | None = Field(None, description="Token for the warehouse")


own_settings = load(OwnSettings)
