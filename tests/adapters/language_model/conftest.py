"""The two ways in which the client reaches an endpoint."""

import importlib.util

import pytest


@pytest.fixture(params=["aiohttp", "httpx"])
def transport(request, monkeypatch):
    """The extra `aiohttp` is there, or is not."""
    if request.param == "aiohttp":
        pytest.importorskip("aiohttp")
    else:
        monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
