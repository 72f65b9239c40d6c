"""The settings of a gateway, in addition to those in `src/config.py`."""

from __future__ import annotations

from pydantic import Field

from src.config import ServiceSettings, load


class WebSettings(ServiceSettings):
    """How the web server serves."""

    HTTP_MAX_BODY: int = Field(
        default=1024 * 1024, ge=0, le=1024**3, description="The most bytes that the body of a request may have"
    )
    HTTP_DRAIN_TIME: float = Field(
        default=1.0,
        ge=0,
        le=300,
        description="Seconds for which the gateway still accepts requests after it has become unready, so that load "
        "balancers notice first",
    )


settings = load(WebSettings)
