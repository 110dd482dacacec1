"""A stand-in of its own and a client for it."""

from collections.abc import Iterator

import httpx
import pytest

from langchain_pollinations_portkey.testing import StandInProvider


@pytest.fixture(scope="module")
def _stand_in() -> Iterator[StandInProvider]:
    with StandInProvider() as started:
        yield started


@pytest.fixture
def provider(_stand_in: StandInProvider) -> StandInProvider:
    _stand_in.clear()
    return _stand_in


@pytest.fixture(scope="module")
def client(_stand_in: StandInProvider) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=_stand_in.url, timeout=5, trust_env=False) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _fresh(provider: StandInProvider) -> None:
    """Every test starts with an empty log, also one that only asks for a client."""
