"""Guardrails: asked at every plan, told over the API, and tried on a plan before they count."""

from app.domain.documents import Document
from app.domain.errors import GuardrailViolationError
from app.domain.guardrail_documents import guardrails_document, read_guardrails
from app.domain.guardrails import Guardrails, violation_document, violations
from app.services.plans import PlansService, is_brought_back


class GuardrailsService:
    """Reads only: guardrails are changed where the service is configured, never from here."""

    def __init__(self, *, guardrails: Guardrails, plans: PlansService) -> None:
        self._guardrails = guardrails
        self._plans = plans

    def get(self) -> Document:
        """The guardrails in force."""
        return guardrails_document(self._guardrails)

    def evaluate(self, plan_id: str, proposed: Document | None = None) -> Document:
        """Say which guardrails a kept plan breaks in the world of now; nothing is kept.

        `proposed` are fields that are to be another than in force.

        Raises:
            NotFoundError, InvalidInputError, and what planning raises
        """
        guardrails = read_guardrails(proposed or {}, self._guardrails)
        kept = self._plans.get(plan_id)
        try:
            planned = self._plans.anew(kept)
        except GuardrailViolationError as error:
            if proposed or "violations" not in error.facts:
                raise
            return {"plan_id": plan_id, "violations": error.facts["violations"]}
        found = violations(
            guardrails,
            planned.plan,
            planned.world,
            counts_addresses=not is_brought_back(kept.kind, planned.kept.document),
        )
        return {"plan_id": plan_id, "violations": [violation_document(each) for each in found]}
