"""The keys of each component's props and what they hold (platform.md §3.2 to §3.4), as data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class Kind(Enum):
    """What a key holds. ANY is not looked into."""

    TEXT = "text"
    NUMBER = "a number"
    FLAG = "true or false"
    LIST = "a list"
    MAP = "a mapping"
    ANY = "anything"


class ListOf(dict[str, "Shape"]):
    """A list whose mappings have these keys."""


Shape = Kind | Mapping[str, "Shape"]

_HEALTH: Mapping[str, Shape] = {
    "httpGetUrl": Kind.TEXT,
    "initialDelaySeconds": Kind.NUMBER,
    "periodSeconds": Kind.NUMBER,
    "timeoutSeconds": Kind.NUMBER,
    "failureThreshold": Kind.NUMBER,
    "successThreshold": Kind.NUMBER,
}
_HOOK: Mapping[str, Shape] = {"handler": Kind.TEXT, "command": Kind.LIST, "timeout": Kind.NUMBER}
_LOG: Mapping[str, Shape] = {
    "project": Kind.TEXT,
    "logstore": Kind.TEXT,
    "enableInstanceMetrics": Kind.FLAG,
    "enableRequestMetrics": Kind.FLAG,
    "enableLlmMetrics": Kind.FLAG,
    "logBeginRule": Kind.TEXT,
}
_OSS_MOUNTS: Mapping[str, Shape] = {
    "mountPoints": ListOf(
        bucketName=Kind.TEXT,
        bucketPath=Kind.TEXT,
        endpoint=Kind.TEXT,
        mountDir=Kind.TEXT,
        readOnly=Kind.FLAG,
    )
}
_VPC: Mapping[str, Shape] = {
    "vpcId": Kind.TEXT,
    "vSwitchIds": Kind.ANY,
    "vswitchIds": Kind.ANY,
    "securityGroupId": Kind.TEXT,
    "role": Kind.TEXT,
}
_SCHEDULED = ListOf(
    name=Kind.TEXT,
    target=Kind.NUMBER,
    scheduleExpression=Kind.TEXT,
    startTime=Kind.TEXT,
    endTime=Kind.TEXT,
    timeZone=Kind.TEXT,
)
_REWRITE: Mapping[str, Shape] = {
    "equalRules": ListOf(match=Kind.TEXT, replacement=Kind.TEXT),
    "wildcardRules": ListOf(match=Kind.TEXT, replacement=Kind.TEXT),
    "regexRules": ListOf(match=Kind.TEXT, replacement=Kind.TEXT),
}
_ROUTE: Mapping[str, Shape] = {
    "path": Kind.TEXT,
    "functionName": Kind.TEXT,
    "serviceName": Kind.TEXT,
    "qualifier": Kind.TEXT,
    "methods": Kind.LIST,
    "rewriteConfig": _REWRITE,
}
_DOMAIN: Mapping[str, Shape] = {
    "region": Kind.TEXT,
    "domainName": Kind.TEXT,
    "protocol": Kind.TEXT,
    "certConfig": Kind.ANY,
    "certId": Kind.ANY,
    "tlsConfig": Kind.ANY,
    "authConfig": Kind.ANY,
    "wafConfig": Kind.ANY,
    "corsConfig": Kind.ANY,
}

FC3: Mapping[str, Shape] = MappingProxyType(
    {
        "region": Kind.TEXT,
        "functionName": Kind.TEXT,
        "runtime": Kind.TEXT,
        "handler": Kind.TEXT,
        "code": Kind.ANY,
        "cpu": Kind.NUMBER,
        "memorySize": Kind.NUMBER,
        "diskSize": Kind.NUMBER,
        "timeout": Kind.NUMBER,
        "instanceConcurrency": Kind.NUMBER,
        "environmentVariables": Kind.MAP,
        "layers": Kind.LIST,
        "internetAccess": Kind.FLAG,
        "role": Kind.TEXT,
        "resourceGroupId": Kind.TEXT,
        "description": Kind.TEXT,
        "disableOndemand": Kind.FLAG,
        "disableInjectCredentials": Kind.TEXT,
        "enableLongLiving": Kind.FLAG,
        "idleTimeout": Kind.NUMBER,
        "instanceIsolationMode": Kind.TEXT,
        "sessionAffinity": Kind.TEXT,
        "sessionAffinityConfig": Kind.ANY,
        "instanceLifecycleConfig": {"initializer": _HOOK, "preStop": _HOOK},
        "customRuntimeConfig": {
            "port": Kind.NUMBER,
            "command": Kind.LIST,
            "args": Kind.LIST,
            "healthCheckConfig": _HEALTH,
        },
        "customContainerConfig": {
            "image": Kind.TEXT,
            "port": Kind.NUMBER,
            "command": Kind.LIST,
            "entrypoint": Kind.LIST,
            "healthCheckConfig": _HEALTH,
            "registryConfig": Kind.ANY,
            "acrInstanceId": Kind.TEXT,
            "acrInstanceID": Kind.TEXT,
            "instanceID": Kind.TEXT,
            "accelerationType": Kind.TEXT,
            "resolvedImageUri": Kind.TEXT,
            "webServerMode": Kind.FLAG,
        },
        "gpuConfig": {"gpuType": Kind.TEXT, "gpuMemorySize": Kind.NUMBER},
        "customDNS": Kind.ANY,
        "vpcConfig": _VPC,
        "vpcBinding": Kind.ANY,
        "nasConfig": {
            "userId": Kind.NUMBER,
            "groupId": Kind.NUMBER,
            "mountPoints": ListOf(serverAddr=Kind.TEXT, mountDir=Kind.TEXT, enableTLS=Kind.FLAG),
        },
        "ossMountConfig": _OSS_MOUNTS,
        "logConfig": _LOG,
        "tracingConfig": Kind.ANY,
        "triggers": ListOf(
            triggerName=Kind.TEXT,
            triggerType=Kind.TEXT,
            triggerConfig=Kind.ANY,
            qualifier=Kind.TEXT,
            description=Kind.TEXT,
            sourceArn=Kind.TEXT,
            invocationRole=Kind.TEXT,
        ),
        "customDomain": {**_DOMAIN, "route": {k: v for k, v in _ROUTE.items() if "Name" not in k}},
        "asyncInvokeConfig": {
            "asyncTask": Kind.FLAG,
            "maxAsyncRetryAttempts": Kind.NUMBER,
            "maxAsyncEventAgeInSeconds": Kind.NUMBER,
            "destinationConfig": {
                "onSuccess": {"destination": Kind.TEXT},
                "onFailure": {"destination": Kind.TEXT},
            },
            "qualifier": Kind.TEXT,
        },
        "provisionConfig": {
            "defaultTarget": Kind.NUMBER,
            "target": Kind.NUMBER,
            "alwaysAllocateCPU": Kind.FLAG,
            "alwaysAllocateGPU": Kind.FLAG,
            "scheduledActions": _SCHEDULED,
            "targetTrackingPolicies": Kind.LIST,
            "mode": Kind.TEXT,
            "qualifier": Kind.TEXT,
        },
        "scalingConfig": {
            "minInstances": Kind.NUMBER,
            "scheduledPolicies": _SCHEDULED,
            "horizontalScalingPolicies": Kind.LIST,
            "enableOnDemandScaling": Kind.FLAG,
            "enableMixMode": Kind.FLAG,
            "residentPoolId": Kind.TEXT,
            "requestDispatchPolicy": Kind.TEXT,
        },
        "concurrencyConfig": {"reservedConcurrency": Kind.NUMBER},
        "annotations": Kind.ANY,
        "tags": Kind.ANY,
        "endpoint": Kind.TEXT,
        "supplement": Kind.ANY,
    }
)

DOMAIN: Mapping[str, Shape] = MappingProxyType({**_DOMAIN, "routeConfig": {"routes": ListOf(_ROUTE)}})

FC2: Mapping[str, Shape] = MappingProxyType(
    {
        "region": Kind.TEXT,
        "access": Kind.TEXT,
        "service": {
            "name": Kind.TEXT,
            "description": Kind.TEXT,
            "internetAccess": Kind.FLAG,
            "role": Kind.ANY,
            "logConfig": _LOG,
            "vpcConfig": _VPC,
            "nasConfig": {
                "userId": Kind.NUMBER,
                "groupId": Kind.NUMBER,
                "mountPoints": ListOf(
                    serverAddr=Kind.TEXT,
                    nasDir=Kind.TEXT,
                    fcDir=Kind.TEXT,
                    mountDir=Kind.TEXT,
                    enableTLS=Kind.FLAG,
                ),
            },
            "ossMountConfig": _OSS_MOUNTS,
            "tracingConfig": Kind.ANY,
            "vpcBinding": Kind.ANY,
        },
        "function": {
            "name": Kind.TEXT,
            "description": Kind.TEXT,
            "runtime": Kind.TEXT,
            "handler": Kind.TEXT,
            "codeUri": Kind.ANY,
            "ossBucket": Kind.TEXT,
            "ossKey": Kind.TEXT,
            "memorySize": Kind.NUMBER,
            "cpu": Kind.NUMBER,
            "diskSize": Kind.NUMBER,
            "timeout": Kind.NUMBER,
            "caPort": Kind.NUMBER,
            "instanceConcurrency": Kind.NUMBER,
            "instanceSoftConcurrency": Kind.NUMBER,
            "instanceType": Kind.TEXT,
            "gpuMemorySize": Kind.NUMBER,
            "environmentVariables": Kind.MAP,
            "layers": Kind.LIST,
            "customDNS": Kind.ANY,
            "initializer": Kind.TEXT,
            "initializationTimeout": Kind.NUMBER,
            "instanceLifecycleConfig": {"preFreeze": _HOOK, "preStop": _HOOK},
            "customContainerConfig": {
                "image": Kind.TEXT,
                "command": Kind.ANY,
                "args": Kind.ANY,
                "accelerationType": Kind.TEXT,
                "instanceID": Kind.TEXT,
                "webServerMode": Kind.FLAG,
            },
            "customHealthCheckConfig": _HEALTH,
            "customRuntimeConfig": {"command": Kind.LIST, "args": Kind.LIST},
            "asyncConfiguration": {
                "destination": {"onSuccess": Kind.ANY, "onFailure": Kind.ANY},
                "maxAsyncEventAgeInSeconds": Kind.NUMBER,
                "maxAsyncRetryAttempts": Kind.NUMBER,
                "statefulInvocation": Kind.FLAG,
            },
        },
        "triggers": ListOf(
            name=Kind.TEXT,
            type=Kind.TEXT,
            role=Kind.TEXT,
            sourceArn=Kind.TEXT,
            qualifier=Kind.TEXT,
            config=Kind.ANY,
            description=Kind.TEXT,
        ),
        "customDomains": ListOf({**_DOMAIN, "routeConfigs": ListOf(_ROUTE)}),
    }
)

# FC 2 keys that people carry over into fc3 props, and where FC 3 has them (platform.md §3.3, s2tos3).
# A dotted target is a key of a mapping; an empty one means that FC 3 has no such thing.
FC2_UNDER_FC3: Mapping[str, str] = MappingProxyType(
    {
        "codeUri": "code",
        "name": "functionName",
        "caPort": "customRuntimeConfig.port",
        "initializer": "instanceLifecycleConfig.initializer.handler",
        "initializationTimeout": "instanceLifecycleConfig.initializer.timeout",
        "customHealthCheckConfig": "customRuntimeConfig.healthCheckConfig",
        "gpuMemorySize": "gpuConfig.gpuMemorySize",
        "instanceType": "",
        "instanceSoftConcurrency": "",
        "service": "",
    }
)
FC2_UNDER_FC3_TRIGGER: Mapping[str, str] = MappingProxyType(
    {"name": "triggerName", "type": "triggerType", "config": "triggerConfig", "role": "invocationRole"}
)
