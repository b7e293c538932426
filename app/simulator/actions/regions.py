"""DescribeRegions, and which regions there are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from app.simulator.actions.request import Action, Body, Request
from app.simulator.errors import ApiError
from app.simulator.state.store import Store

REGIONS: Mapping[str, str] = MappingProxyType(
    {
        "cn-qingdao": "China (Qingdao)",
        "cn-beijing": "China (Beijing)",
        "cn-zhangjiakou": "China (Zhangjiakou)",
        "cn-huhehaote": "China (Hohhot)",
        "cn-hangzhou": "China (Hangzhou)",
        "cn-shanghai": "China (Shanghai)",
        "cn-shenzhen": "China (Shenzhen)",
        "cn-hongkong": "China (Hong Kong)",
        "ap-southeast-1": "Singapore",
        "us-west-1": "US (Silicon Valley)",
        "us-east-1": "US (Virginia)",
        "eu-central-1": "Germany (Frankfurt)",
    }
)
_LANGUAGES = ("zh-CN", "en-US", "ja", "de-DE", "fr-FR", "pt-BR", "es-ES", "zh-TW")


def exists(store: Store, region_id: str) -> bool:
    """Tell whether a region is known, by name or because the estate has something in it."""
    return region_id in REGIONS or any(
        region_id == resource.region_id
        for resources in (store.groups, store.instances, store.vpcs)
        for resource in resources.values()
    )


def describe_regions(request: Request) -> Body:
    """List the regions. Source: ECS API, DescribeRegions."""
    language = request.parameters.get("AcceptLanguage")
    if language and language not in _LANGUAGES:
        raise ApiError(
            "InvalidAcceptLanguage.NotFound", 404, "The specified AcceptLanguage does not exist."
        )
    regions = [
        {
            "RegionId": region_id,
            "RegionEndpoint": f"ecs.{region_id}.aliyuncs.com",
            "LocalName": name,
            "Status": "available",
        }
        for region_id, name in REGIONS.items()
    ]
    return {"Regions": {"Region": regions}}


ACTIONS = (Action("DescribeRegions", describe_regions, needs_region=False),)
