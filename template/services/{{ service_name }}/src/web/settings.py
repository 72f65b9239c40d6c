"""The settings of a gateway, in addition to those in `src/config.py`."""

from __future__ import annotations

from pydantic import Field

from src.config import ServiceSettings, load


class WebSettings(ServiceSettings):
    """The settings of the web server."""

    HTTP_MAX_BODY: int = Field(
        default=1024 * 1024, ge=0, le=1024**3, description="Maximum size of a request's body in bytes"
    )
    HTTP_MAX_CONNECTIONS: int = Field(
        default=10_000,
        ge=1,
        description="Maximum number of open connections; never more than three quarters of the limit of open files "
        "(`ulimit -n`)",
    )
    HTTP_READ_TIMEOUT: float = Field(
        default=10.0,
        gt=0,
        le=3600,
        description="Seconds that a client has to send the headers of a request, and again for the body",
    )
    HTTP_INTERNAL_PORT: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port of `/metrics`, `/stats` and `/docs`, which the public port does not serve; 0 chooses a free "
        "one, the image sets 8081, and the value of `HTTP_PORT` serves everything on one port",
    )
    HTTP_DRAIN_TIME: float = Field(
        default=1.0,
        ge=0,
        le=300,
        description="Seconds for which an unready gateway still accepts requests before it stops, so that load "
        "balancers notice first",
    )


settings = load(WebSettings)
