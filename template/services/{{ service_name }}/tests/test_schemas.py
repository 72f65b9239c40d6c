"""What the schemas say of the envelopes is what the envelopes are."""

from __future__ import annotations

from src.utils.schemas import FOLDER, documents


def test_the_schemas_are_those_of_the_models() -> None:
    files = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}

    assert files == documents(), "python -m src.utils.schemas writes them anew"
