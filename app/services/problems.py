"""Errors as documents: what an operation keeps of what went wrong."""

from app.domain.documents import Document
from app.domain.errors import AppError


def problem_document(error: AppError) -> Document:
    """Spell an error by its stable name; the api adds what HTTP needs."""
    return {"code": error.code, "title": error.title, "detail": str(error), **error.facts}
