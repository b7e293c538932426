import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.main import create_app
from tests.api.fakes import Fakes, OneKey

KEY = "a-key-for-tests"
LIMIT = 64 * 1024


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture(scope="session")
def assembled() -> FastAPI:
    return create_app(
        Fakes().house,
        identity=OneKey(KEY),
        docs_key=None,
        allowed_hosts=("testserver", "::1"),
        body_limit_bytes=LIMIT,
        version="0.1.0",
    )


@pytest.fixture
def app(assembled: FastAPI, fakes: Fakes) -> FastAPI:
    """The app in front of this test's own fakes: to assemble it takes longer than to ask it."""
    assembled.state.house = fakes.house
    return assembled


@pytest.fixture
def stranger(app: FastAPI) -> TestClient:
    """Somebody without a key."""
    return TestClient(app, follow_redirects=False)


@pytest.fixture
def client(stranger: TestClient) -> TestClient:
    """Somebody with the right key."""
    stranger.headers["Authorization"] = f"Bearer {KEY}"
    return stranger
