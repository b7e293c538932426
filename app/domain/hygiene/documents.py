"""Findings as JSON documents."""

from app.domain.documents import Document
from app.domain.flows import DecidingRule
from app.domain.hygiene.finding import Finding, Proof
from app.domain.plan_documents import exposure_document


def finding_document(finding: Finding) -> Document:
    """Spell a finding; the explanation says what was found here, then what it means."""
    kind = finding.kind
    return {
        "code": kind.code,
        "severity": kind.severity.value,
        "title": kind.title,
        "explanation": f"{finding.detail} {kind.meaning}",
        "remedy": kind.remedy,
        "group_id": finding.group_id,
        "account_id": finding.place.account_id,
        "rule_ids": list(finding.rule_ids),
        "proof": _proof(finding.proof, kind.proof),
    }


def _proof(proof: Proof, basis: str) -> Document:
    return {
        "removal": proof.removal.value,
        "statement": proof.statement,
        "basis": basis,
        "because": [_reference(deciding) for deciding in proof.because],
        "not_with": list(proof.not_with),
        "lost": None if proof.lost is None else exposure_document(proof.lost),
        "gained": None if proof.gained is None else exposure_document(proof.gained),
    }


def _reference(deciding: DecidingRule) -> Document:
    group = deciding.group
    return {
        "group_id": group.group_id,
        "account_id": group.account_id,
        "rule_id": deciding.held.rule_id,
    }
