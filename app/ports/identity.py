"""Who a credential stands for. API keys are one answer; tokens of an identity provider another."""

from typing import Protocol

from app.domain.principals import Principal


class Identity(Protocol):
    def of(self, credential: bytes) -> Principal:
        """Recognise who sent what stands after `Bearer`.

        May look into the store, so it may block. Nothing of the credential is kept or logged.

        Raises:
            UnauthenticatedError: it stands for nobody, or not any more.
            StorageUnavailableError
        """
        ...
