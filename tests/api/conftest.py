from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.main import create_app
from tests.api import contract
from tests.api.fakes import Fakes, OneKey

KEY = "a-key-for-tests"
LIMIT = 64 * 1024


class Reader(TestClient):
    """Somebody who has read the contract: whatever is answered, it says that it may be."""

    def request(self, method: str, url: Any, **more: Any) -> Any:
        answer = super().request(method, url, **more)
        problem = answer.headers.get("Content-Type") == "application/problem+json"
        code = answer.json()["code"] if problem else None
        complaint = contract.complaint(method, answer.request.url.path, answer.status_code, code)
        assert complaint is None, complaint
        return answer


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
    return Reader(app, follow_redirects=False)


@pytest.fixture
def client(stranger: TestClient) -> TestClient:
    """Somebody with the right key."""
    stranger.headers["Authorization"] = f"Bearer {KEY}"
    return stranger
