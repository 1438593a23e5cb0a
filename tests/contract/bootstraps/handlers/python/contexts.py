"""What a context has."""
import json


def legacy(event, context):
    credentials, function, service = context.credentials, context.function, context.service
    return json.dumps(
        {
            "ids": [context.request_id, context.requestId, context.account_id, context.region],
            "credentials": [credentials.access_key_id, credentials.access_key_secret, credentials.security_token],
            "aliases": [credentials.accessKeyId, credentials.accessKeySecret, credentials.securityToken],
            "function": [function.name, function.handler, function.memory, function.timeout],
            "service": [service.name, service.log_project, service.log_store, service.qualifier, service.version_id],
            "tracing": [context.tracing.span_context, context.tracing.jaeger_endpoint, context.tracing.span_baggages],
            "retry_count": context.retry_count,
            "logger": context.logger,
        }
    )


def flat(event, context):
    function = context.function
    return json.dumps(
        {
            "ids": [context.request_id, context.account_id, context.region],
            "logs": [context.log_project, context.log_store],
            "function": [function.name, function.handler, function.memory, function.timeout],
            "version": [function.version_id, function.qualifier],
            "absent": [name for name in ("credentials", "service", "tracing") if not hasattr(context, name)],
            "logger": context.logger,
        }
    )


def retries(event, context):
    return str(context.retry_count)


def logger_of(event, context):
    context.logger.info("by the context's logger")
    return "ok"
