"""The demo estate, whose ids stand in all examples of the API."""

from __future__ import annotations

import json
from importlib import resources

from app.simulator.state.estate import Json


def demo_estate() -> Json:
    """Return the demo estate, canonical: two accounts, and a third that both of them trust."""
    text = resources.files("app.simulator").joinpath("demo_estate.json").read_text("utf-8")
    estate: Json = json.loads(text)
    return estate
