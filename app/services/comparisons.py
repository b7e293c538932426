"""Comparisons: what each of the four methods would do for one request. Nothing is kept."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from app.domain.comparing import compare_methods
from app.domain.comparison_documents import advice_document
from app.domain.documents import Document
from app.domain.errors import AppError, InvalidConnectionError
from app.domain.fingerprint import fingerprint, world_document
from app.domain.intents import InstanceSide, Intent, MethodName, read_intent
from app.domain.plan import Limits
from app.domain.planning import Bounds, check_addresses, check_sources
from app.domain.principals import Role
from app.services.access import AccessService
from app.services.plans import PlansService
from app.services.scopes import scope_of
from app.services.worlds import Worlds


class ComparisonsService:
    """Reads the world once and asks every method."""

    def __init__(
        self,
        *,
        access: AccessService,
        worlds: Worlds,
        plans: PlansService,
        limits: Limits,
        bounds: Bounds,
    ) -> None:
        self._access = access
        self._plans = plans
        self._worlds = worlds
        self._limits = limits
        self._bounds = bounds

    def compare(self, request: Document) -> Document:
        """Say what each method would do for a connect request without a method, and which one
        to choose. That none is possible is an answer.

        Raises:
            InvalidInputError: the sides fit no method; GuardrailViolationError,
            TargetNotFoundError, ForbiddenError
        """
        self._access.check_request(Role.VIEWER, request)
        intents = _intents(request)
        widest = _widest(intents)
        check_addresses(widest, self._bounds)
        world = self._worlds.read(scope_of(widest))
        check_sources(world, widest, self._bounds)
        forbidden = partial(self._plans.forbids, world)
        advice = compare_methods(world, intents, self._limits, forbidden)
        return advice_document(advice) | {"fingerprint": fingerprint(world_document(world))}


def _intents(request: Document) -> Mapping[MethodName, Intent | AppError]:
    """The intent of each method, or why there can be none.

    Raises:
        InvalidInputError: there can be none whatever the method.
    """
    found: dict[MethodName, Intent | AppError] = {}
    for name in MethodName:
        try:
            found[name] = _fitting(read_intent({**request, "method": name.value}))
        except InvalidConnectionError as error:
            found[name] = error
    if not any(isinstance(each, Intent) for each in found.values()):
        raise found[_method_of(request)]  # type: ignore[misc]  # each of them is an error
    return found


def _method_of(request: Document) -> MethodName:
    """The method that the source is made for: what is wrong with that one is what to say."""
    named = "security_group_ids" in request["source"]
    return MethodName.GROUP_AUTHORIZATION if named else MethodName.ADDRESS_RULES


def _fitting(intent: Intent) -> Intent:
    """Leave out what only other methods look at."""
    if intent.method in {MethodName.ADDRESS_RULES, MethodName.GROUP_AUTHORIZATION}:
        return replace(intent, group_id=None, group_name=None)
    assert isinstance(intent.source, InstanceSide)
    source, target = replace(intent.source, group_id=None), replace(intent.target, group_id=None)
    if intent.method is MethodName.DEDICATED_GROUP:
        return replace(intent, source=source, target=target, group_id=None)
    return replace(intent, source=source, target=target, group_name=None)


def _widest(intents: Mapping[MethodName, Intent | AppError]) -> Intent:
    """An intent that speaks of all that any of them does, so that all is read at once."""
    found = {name: each for name, each in intents.items() if isinstance(each, Intent)}
    dedicated = found.get(MethodName.DEDICATED_GROUP)
    if dedicated is None:
        return next(iter(found.values()))
    by_rule, shared = found[MethodName.ADDRESS_RULES], found[MethodName.SHARED_GROUP]
    return replace(
        dedicated, source=by_rule.source, target=by_rule.target, group_id=shared.group_id
    )
