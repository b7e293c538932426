"""DescribeRegions, and which regions there are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from app.simulator.actions.request import Action, Body, Request
from app.simulator.errors import ApiError
from app.simulator.state.store import Store

REGIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "cn-qingdao": ("华北1(青岛)", "China (Qingdao)"),
        "cn-beijing": ("华北2(北京)", "China (Beijing)"),
        "cn-zhangjiakou": ("华北3(张家口)", "China (Zhangjiakou)"),
        "cn-huhehaote": ("华北5(呼和浩特)", "China (Hohhot)"),
        "cn-hangzhou": ("华东1(杭州)", "China (Hangzhou)"),
        "cn-shanghai": ("华东2(上海)", "China (Shanghai)"),
        "cn-shenzhen": ("华南1(深圳)", "China (Shenzhen)"),
        "cn-hongkong": ("香港", "China (Hong Kong)"),
        "ap-southeast-1": ("新加坡", "Singapore"),
        "us-west-1": ("美国(硅谷)", "US (Silicon Valley)"),
        "us-east-1": ("美国(弗吉尼亚)", "US (Virginia)"),
        "eu-central-1": ("德国(法兰克福)", "Germany (Frankfurt)"),
    }
)
"""The regions with their Chinese and their English names."""

_CHINESE = "zh-CN"
_LANGUAGES = (_CHINESE, "en-US", "ja", "de-DE", "fr-FR", "pt-BR", "es-ES", "zh-TW")


def exists(store: Store, region_id: str) -> bool:
    """Tell whether a region is known, by name or because the estate has something in it."""
    return region_id in REGIONS or region_id in _in_use(store)


def _in_use(store: Store) -> set[str]:
    places = (*store.groups_of.items(), *store.instances_of.items())
    return {region_id for (_, region_id), there in places if there} | {
        vpc.region_id for vpc in store.vpcs.values()
    }


def describe_regions(request: Request) -> Body:
    """List the regions, those too that only the estate knows; names are Chinese or English.

    Source: ECS API, DescribeRegions.
    """
    language = request.parameters.get("AcceptLanguage") or _CHINESE
    if language not in _LANGUAGES:
        raise ApiError(
            "InvalidAcceptLanguage.NotFound", 404, "The specified AcceptLanguage does not exist."
        )
    more = sorted(_in_use(request.store) - REGIONS.keys())
    names = {**REGIONS, **{region_id: (region_id, region_id) for region_id in more}}
    regions = [
        {
            "RegionId": region_id,
            "RegionEndpoint": f"ecs.{region_id}.aliyuncs.com",
            "LocalName": chinese if language == _CHINESE else english,
            "Status": "available",
        }
        for region_id, (chinese, english) in names.items()
    ]
    return {"Regions": {"Region": regions}}


ACTIONS = (Action("DescribeRegions", describe_regions, needs_region=False),)
