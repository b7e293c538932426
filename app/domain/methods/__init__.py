"""The ways to connect A to B: one module each, and this registry."""

from collections.abc import Mapping

from app.domain.intents import MethodName
from app.domain.methods.address_rules import AddressRules
from app.domain.methods.dedicated_group import DedicatedGroup
from app.domain.methods.group_authorization import GroupAuthorization
from app.domain.methods.shared_group import SharedGroup
from app.domain.plan import Method

METHODS: Mapping[MethodName, Method] = {
    MethodName.ADDRESS_RULES: AddressRules(),
    MethodName.SHARED_GROUP: SharedGroup(),
    MethodName.DEDICATED_GROUP: DedicatedGroup(),
    MethodName.GROUP_AUTHORIZATION: GroupAuthorization(),
}
