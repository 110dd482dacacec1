"""A fresh default catalogue for every test: registrations must not leak."""

import pytest

from langchain_pollinations_portkey.catalogue import Catalogue


@pytest.fixture(autouse=True)
def fresh_default(monkeypatch):
    monkeypatch.delenv("PORTKEY_CATALOGUE", raising=False)
    monkeypatch.setattr(Catalogue, "_default", None)


@pytest.fixture
def catalogue():
    return Catalogue.default()
