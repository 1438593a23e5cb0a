"""Names of FC's HTTP headers, in one file, lower case as HTTP compares them (runtime-contract.md §3.4, §5)."""

from __future__ import annotations

REQUEST_ID = "x-fc-request-id"
CONTROL_PATH = "x-fc-control-path"
STATUS = "x-fc-status"
ERROR_TYPE = "x-fc-error-type"
INVOCATION_TYPE = "x-fc-invocation-type"
LOG_TYPE = "x-fc-log-type"
LOG_RESULT = "x-fc-log-result"
CODE_CHECKSUM = "x-fc-code-checksum"
SERVICE_VERSION = "x-fc-invocation-service-version"
FUNCTION_VERSION = "x-fc-invocation-function-version"
ASYNC_TASK_ID = "x-fc-async-task-id"
STATEFUL_ASYNC_ID = "x-fc-stateful-async-invocation-id"
INVOCATION_TARGET = "x-fc-invocation-target"

ACCESS_KEY_ID = "x-fc-access-key-id"
ACCESS_KEY_SECRET = "x-fc-access-key-secret"  # noqa: S105 - a header's name
SECURITY_TOKEN = "x-fc-security-token"  # noqa: S105 - a header's name
ACCOUNT_ID = "x-fc-account-id"
REGION = "x-fc-region"
FUNCTION_NAME = "x-fc-function-name"
FUNCTION_HANDLER = "x-fc-function-handler"
FUNCTION_MEMORY = "x-fc-function-memory"
FUNCTION_TIMEOUT = "x-fc-function-timeout"
SERVICE_NAME = "x-fc-service-name"
SERVICE_LOG_PROJECT = "x-fc-service-logproject"
SERVICE_LOG_STORE = "x-fc-service-logstore"
VERSION_ID = "x-fc-version-id"
API_SERVER_IP = "x-fc-api-server-ip"
# FC 2 only
FUNCTION_INITIALIZER = "x-fc-function-initializer"
INITIALIZATION_TIMEOUT = "x-fc-initialization-timeout"
PRE_STOP_HANDLER = "x-fc-instance-lifecycle-pre-stop-handler"
PRE_FREEZE_HANDLER = "x-fc-instance-lifecycle-pre-freeze-handler"
# Ours, on replies of InvokeFunction and HTTP triggers: never sent by FC
COLD_START = "x-fclocal-cold-start"
# Ours, on requests; no function sees them, but for what our bootstraps are told
OWN_PREFIX = b"x-fclocal-"
TOKEN = "x-fclocal-token"  # noqa: S105 - a header's name
REQUEST_URI = "x-fclocal-request-uri"

EXPOSE_INVOKE = (
    "Date,x-fc-request-id,x-fc-error-type,x-fc-code-checksum,x-fc-invocation-duration,"
    "x-fc-max-memory-usage,x-fc-log-result,x-fc-invocation-code-version"
)
EXPOSE_INVOKE_FC3 = EXPOSE_INVOKE + ",x-fc-instance-id"
EXPOSE_HTTP = "Date,x-fc-request-id"

# runtime-contract.md §3.8
DROPPED_RESPONSE_HEADERS = frozenset(
    {b"connection", b"content-length", b"date", b"keep-alive", b"server", b"content-disposition"}
)
