"""Sample events of every kind of trigger, as FC gives them to a function (platform.md §4).

The payloads are files in `payloads/`. With a function, the names that its own trigger declares take the place of the
sample's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from emulator.model.function import EMPTY, Function, Trigger, TriggerType

PAYLOADS = Path(__file__).with_name("payloads")
SAMPLE_REGION = "cn-hangzhou"
SOURCES = "eventSourceConfig.eventSourceParameters"
# FC's placeholder for "all of this kind" in the `events` of an OSS trigger, and an event that it stands for.
OSS_ALL = {"ObjectCreated": "PutObject", "ObjectRemoved": "DeleteObject", "ObjectModified": "UpdateObjectMeta"}


class Sample(Struct, frozen=True):
    """One sample event. `names` maps a word of the payload to where a trigger declares its own: a dotted path into
    `triggerConfig`, `@name` for the trigger's name, `@function` for the function's, `@source` for the last part of
    `sourceArn`. `source` is the `eventSourceType` of an EventBridge trigger."""

    kind: str
    title: str
    trigger: TriggerType | None
    names: Mapping[str, str] = EMPTY
    source: str = ""
    is_text: bool = False

    def read(self) -> str:
        """The payload as it is kept: JSON, or the plain text of an MNS message."""
        suffix = ".txt" if self.is_text else ".json"
        return (PAYLOADS / f"{self.kind}{suffix}").read_text(encoding="utf-8")


def _cdn(event: str) -> Sample:
    return Sample(f"cdn_events-{event}", f"CDN: {event}", TriggerType.CDN, {"example.com": "filter.domain"})


def _bridge(kind: str, source: str, title: str, names: Mapping[str, str]) -> Sample:
    here = {word: f"{SOURCES}.{path}" if path[0] != "@" else path for word, path in names.items()}
    return Sample(f"eventbridge-{kind}", title, TriggerType.EVENTBRIDGE, here, source)


_ALL = (
    Sample("http", "HTTP trigger of a built-in runtime (FC 3)", TriggerType.HTTP, {"hello": "@function"}),
    Sample("timer", "Timer", TriggerType.TIMER, {"timer-trigger": "@name"}),
    Sample("oss", "OSS: an object was put", TriggerType.OSS, {"testbucket": "@source"}),
    Sample(
        "log",
        "Log service: a range of a shard; the function fetches the logs itself",
        TriggerType.LOG,
        {"fc-test-project": "@source", "fc-test-logstore": "sourceConfig.logstore"},
    ),
    Sample("mns_topic", "MNS topic, STREAM: the message's own text", TriggerType.MNS_TOPIC, is_text=True),
    Sample("mns_topic-attributes", "MNS topic, STREAM, a message with attributes", TriggerType.MNS_TOPIC),
    Sample(
        "mns_topic-json",
        "MNS topic, JSON",
        TriggerType.MNS_TOPIC,
        {"Mytopic": "@source", "test-fc-subscribe": "@name"},
    ),
    Sample(
        "mns_topic-json-attributes",
        "MNS topic, JSON, a message with attributes",
        TriggerType.MNS_TOPIC,
        {"Mytopic": "@source", "test-fc-subscribe": "@name"},
    ),
    Sample("tablestore", "Tablestore: a row was put; FC sends it as CBOR", TriggerType.TABLESTORE),
    Sample("cdn_events", "CDN: LogFileCreated", TriggerType.CDN, {"example.com": "filter.domain"}),
    _cdn("CachedObjectsRefreshed"),
    _cdn("CachedObjectsPushed"),
    _cdn("CdnDomainStarted"),
    _cdn("CdnDomainStopped"),
    _cdn("CdnDomainAdded"),
    _cdn("CdnDomainDeleted"),
    _bridge("mns", "MNS", "EventBridge: MNS queue", {"myqueue": "sourceMNSParameters.QueueName"}),
    _bridge(
        "rocketmq",
        "RocketMQ",
        "EventBridge: RocketMQ",
        {
            "TopicName": "sourceRocketMQParameters.Topic",
            "MQ_INST_123456789_BXhFHryi": "sourceRocketMQParameters.InstanceId",
        },
    ),
    _bridge(
        "apache-rocketmq",
        "",
        "EventBridge: Apache RocketMQ, not as CloudEvents",
        {"testTopic": "sourceRocketMQParameters.Topic"},
    ),
    _bridge(
        "rabbitmq",
        "RabbitMQ",
        "EventBridge: RabbitMQ",
        {
            "housekeeping": "sourceRabbitMQParameters.QueueName",
            "amqp-cn-tl32e756x0001": "sourceRabbitMQParameters.InstanceId",
            "eb-connect": "sourceRabbitMQParameters.VirtualHostName",
        },
    ),
    _bridge(
        "kafka",
        "Kafka",
        "EventBridge: Kafka",
        {"mytopic": "sourceKafkaParameters.Topic", "alikafka_pre-cn-i7m2t7t1x001": "sourceKafkaParameters.InstanceId"},
    ),
    _bridge("mqtt", "MQTT", "EventBridge: MQTT, not as CloudEvents", {"testtopic": "sourceMQTTParameters.Topic"}),
    _bridge(
        "dts",
        "DTS",
        "EventBridge: DTS, a row was updated",
        {"cn_hangzhou_rm_1234_test_version2": "sourceDTSParameters.Topic"},
    ),
    _bridge("default", "Default", "EventBridge: an event of the default bus (one object, no list)", {}),
    Sample("apigateway", "API Gateway", None),
)
SAMPLES: Mapping[str, Sample] = MappingProxyType({sample.kind: sample for sample in _ALL})


def sample_for(trigger: Trigger) -> Sample | None:
    """The sample that fits a trigger of a project."""
    fitting = [s for s in SAMPLES.values() if s.trigger is trigger.type]
    if trigger.type is TriggerType.EVENTBRIDGE:
        source = _at(trigger.config, "eventSourceConfig.eventSourceType") or "Default"
        fitting = [s for s in fitting if s.source == source]
    if trigger.type is TriggerType.MNS_TOPIC and trigger.config.get("notifyContentFormat") == "JSON":
        return SAMPLES["mns_topic-json"]
    return fitting[0] if fitting else None


def trigger_for(sample: Sample, function: Function) -> Trigger | None:
    """The first trigger of the function that gives events of this kind."""
    fitting = [t for t in function.triggers if t.type is sample.trigger]
    exact = [t for t in fitting if sample_for(t) is sample]
    return next(iter([*exact, *fitting]), None)


def payload(sample: Sample, function: Function | None = None) -> Any:
    """The event: text for an MNS message, else what JSON holds."""
    text = sample.read()
    if function is not None:
        trigger = trigger_for(sample, function)
        text = _filled(text, sample, function, trigger)
        if sample.is_text:
            return text
        data = json.loads(text)
        return _shaped(data, trigger) if trigger is not None else data
    return text if sample.is_text else json.loads(text)


def _filled(text: str, sample: Sample, function: Function, trigger: Trigger | None) -> str:
    text = text.replace(SAMPLE_REGION, function.region)
    for word, where in sample.names.items():
        value = _declared(where, function, trigger)
        if value:
            text = text.replace(word, json.dumps(value, ensure_ascii=False)[1:-1])
    return text


def _declared(where: str, function: Function, trigger: Trigger | None) -> str:
    if where == "@function":
        return function.name.label
    if trigger is None:
        return ""
    if where == "@name":
        return trigger.name
    if where == "@source":
        return trigger.source_arn.rpartition(":")[2].rpartition("/")[2] or str(trigger.config.get("bucketName") or "")
    return str(_at(trigger.config, where) or "")


def _at(config: object, path: str) -> object:
    """What stands at a dotted path; the first item of a list."""
    for key in path.split("."):
        config = config.get(key) if isinstance(config, Mapping) else None
    return config[0] if isinstance(config, list) and config else config


def _shaped(data: Any, trigger: Trigger) -> Any:
    """What is more than a name: a timer's payload, an object's key and event, a log trigger's parameters."""
    config = trigger.config
    match trigger.type:
        case TriggerType.TIMER:
            data["payload"] = timer_payload(trigger)
        case TriggerType.OSS:
            _shape_oss(data["events"][0], config)
        case TriggerType.LOG:
            data["parameter"] = config.get("functionParameter") or {}
        case TriggerType.HTTP:
            if trigger.methods[0] not in ("GET", "POST") or "POST" not in trigger.methods:
                data["requestContext"]["http"]["method"] = trigger.methods[0]
        case _:
            pass
    return data


def timer_payload(trigger: Trigger) -> str:
    """What was typed; a mapping, which FC takes for none, as its JSON (platform.md §4.3)."""
    given = trigger.config.get("payload") or ""
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def _shape_oss(event: dict[str, Any], config: Mapping[str, Any]) -> None:
    # FC 2's project files write these keys with capitals (platform.md §4.4).
    prefix = _at(config, "filter.key.prefix") or _at(config, "filter.Key.Prefix") or ""
    suffix = _at(config, "filter.key.suffix") or _at(config, "filter.Key.Suffix") or ".png"
    event["oss"]["object"]["key"] = f"{prefix}{'a' if str(prefix).endswith('/') or not prefix else '/a'}{suffix}"
    declared = str(_at(config, "events") or "").removeprefix("oss:")
    group, _, name = declared.partition(":")
    if group:
        event["eventName"] = f"{group}:{OSS_ALL.get(group, name) if name in ('', '*') else name}"
