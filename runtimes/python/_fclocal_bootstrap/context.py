# -*- coding: utf-8 -*-
"""The context object of each runtime id (runtime-contract.md §2.2)."""

LEGACY = "legacy"  # python2.7 to python3.10
FLAT = "flat"  # python3.12: no credentials, no service, no tracing


class Part(object):
    """A named group of values; attributes as documented, `to_json()` for the serialiser."""

    def __init__(self, **values):
        self.__dict__.update(values)

    def to_json(self):
        return dict(self.__dict__)


class Credentials(Part):
    def __init__(self, key_id, secret, token):
        self.access_key_id = self.accessKeyId = key_id
        self.access_key_secret = self.accessKeySecret = secret
        self.security_token = self.securityToken = token

    def to_json(self):
        return {
            "accessKeyId": self.access_key_id,
            "accessKeySecret": self.access_key_secret,
            "securityToken": self.security_token,
        }


class Function(Part):
    pass


class Service(Part):
    pass


class Tracing(Part):
    pass


class FlatContext(object):
    """python3.12 names these and no others."""

    def __init__(self, fields, request_id):
        self.__dict__.update(fields)
        self.request_id = request_id

    def getLogger(self):
        import logging

        return logging.getLogger()


class Context(FlatContext):
    def __init__(self, fields, request_id):
        self.__dict__.update(fields)
        self.request_id = self.requestId = request_id

    def to_json(self):
        return {
            "requestId": self.request_id,
            "credentials": self.credentials.to_json(),
            "function": self.function.to_json(),
            "service": self.service.to_json(),
            "region": self.region,
            "accountId": self.account_id,
            "retryCount": self.retry_count,
        }


def context_maker(style, headers, handler, concurrent):
    """(class, fields) of the contexts for requests with these headers: only the request id is still missing."""
    get = headers.get
    memory = _number(get("x-fc-function-memory", ""))
    timeout = get("x-fc-function-timeout", "")
    fields = {
        "account_id": get("x-fc-account-id", ""),
        "region": get("x-fc-region", ""),
        # FC leaves it None and documents getLogger(); one logger for all only where requests run side by side.
        "logger": None,
    }
    if concurrent:
        import logging

        fields["logger"] = logging.getLogger()
    function = {"name": get("x-fc-function-name", ""), "handler": handler, "memory": memory}
    where = {"qualifier": get("x-fc-qualifier", ""), "version_id": get("x-fc-version-id", "")}
    logs = {"log_project": get("x-fc-service-logproject", ""), "log_store": get("x-fc-service-logstore", "")}
    if style == FLAT:
        fields["function"] = Function(timeout=_number(timeout), **dict(function, **where))
        fields.update(logs)
        return FlatContext, fields
    # The timeout of the older runtimes is a string (runtime-contract.md §2.2).
    fields["function"] = Function(timeout=timeout, **function)
    fields["service"] = Service(name=get("x-fc-service-name", ""), **dict(where, **logs))
    fields["credentials"] = Credentials(
        get("x-fc-access-key-id", ""), get("x-fc-access-key-secret", ""), get("x-fc-security-token", "")
    )
    fields["tracing"] = Tracing(
        span_context=get("x-fc-tracing-opentracing-span-context", ""),
        jaeger_endpoint=get("x-fc-tracing-jaeger-endpoint", ""),
        span_baggages=_baggages(get("x-fc-tracing-opentracing-span-baggages", "")),
    )
    fields["retry_count"] = _number(get("x-fc-retry-count", ""))
    return Context, fields


def _number(text):
    return int(text) if text.isdigit() else 0


def _baggages(text):
    """A dict from base64 JSON (runtime-contract.md §5.3); what is not that counts as none."""
    if not text:
        return {}
    import base64
    import json

    try:
        value = json.loads(base64.b64decode(text).decode("utf-8"))
    except Exception:
        return {}
    return value if isinstance(value, dict) else {}
