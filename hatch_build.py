"""The package's long description: the README, with addresses instead of paths of the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)(\[[^\]]*\])\((?!https?:|#)([^)]+)\)")


class Readme(MetadataHookInterface):
    """Sets the field `readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the long description."""
        source = metadata["urls"]["Source"]
        tag = f"v{metadata['version']}"

        def absolute(link: re.Match[str]) -> str:
            is_image, text, path = link.groups()
            return f"{is_image}{text}({source}/{'raw' if is_image else 'blob'}/{tag}/{path})"

        text = _LINK.sub(absolute, Path(self.root, "README.md").read_text(encoding="utf-8"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
