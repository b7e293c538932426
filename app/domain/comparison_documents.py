"""What methods would do, as JSON documents."""

from app.domain.comparing import Advice, Choice, Situation, Work, still_fit
from app.domain.documents import Document
from app.domain.errors import AppError
from app.domain.plan_documents import exposure_document, planned_document
from app.domain.planning import quota_document


def advice_document(advice: Advice) -> Document:
    return {
        "situation": situation_document(advice.situation),
        "asked_pairs": advice.asked_pairs,
        "methods": [_choice(each, advice) for each in advice.choices],
        "recommended": None if advice.recommended is None else advice.recommended.value,
        "reasons": list(advice.reasons),
    }


def situation_document(told: Situation) -> Document:
    return {
        "code": told.code.value,
        "accounts": told.accounts,
        "instances": told.instances,
        "roles": told.roles,
        "advised": told.advised.value,
        "advice": told.advice,
    }


def _choice(choice: Choice, advice: Advice) -> Document:
    return {
        "method": choice.method.value,
        "possible": choice.is_possible,
        "advised": choice.method is advice.situation.advised,
        "refusal": None if choice.refusal is None else _refusal(choice.refusal),
        "work": None if choice.work is None else work_document(choice.work),
    }


def _refusal(error: AppError) -> Document:
    """Spell why a connect request would be refused."""
    facts = {key: value for key, value in error.facts.items() if key in {"obstacles", "quotas"}}
    return {"code": error.code, "detail": str(error), **facts}


def work_document(work: Work) -> Document:
    """Spell what a method would do: of changes, figures and what becomes of it."""
    plan, undoing, survival = work.plan, work.undoing, work.survival
    return {
        "changes": [planned_document(each) for each in plan.changes],
        "rules": work.rules,
        "memberships": work.memberships,
        "groups": work.groups,
        "calls": plan.calls,
        "gained": exposure_document(plan.difference.gained),
        "extra_pairs": plan.difference.extra_pairs,
        "extra_port_pairs": plan.difference.extra_port_pairs,
        "quotas": [quota_document(use) | {"still_fit": still_fit(use)} for use in plan.quotas],
        "still_fit": work.still_fit,
        "undoing": {
            "rules": undoing.rules,
            "memberships": undoing.memberships,
            "groups": undoing.groups,
            "calls": undoing.calls,
        },
        "survives": {
            "source_address": survival.source_address,
            "target_address": survival.target_address,
            "one_more_source": survival.one_more_source,
            "one_more_target": survival.one_more_target,
        },
        "warnings": list(plan.warnings),
    }
