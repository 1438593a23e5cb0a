"""Numbers of Function Compute, each with its source, and the choices that nobody could confirm, in one place."""

from __future__ import annotations

MB = 1024 * 1024
KB = 1024

# runtime-contract.md §8 and platform.md §1.7
SYNC_PAYLOAD_BYTES = 32 * MB
ASYNC_PAYLOAD_BYTES = 128 * KB
REQUEST_HEADER_BYTES = 8 * KB
RESPONSE_HEADER_BYTES = 8 * KB
REQUEST_TARGET_BYTES = 4 * KB
ENVIRONMENT_BYTES = 4 * KB
LOG_LINE_BYTES = 32 * KB
LOG_TAIL_BYTES = 4 * KB
MAX_TIMEOUT_SECONDS = 86400
MAX_INITIALIZER_SECONDS = 300
MAX_PRE_STOP_SECONDS = 90
MEMORY_RANGE_MB = (128, 32768)
MEMORY_STEP_MB = 64
CPU_RANGE = (0.05, 16.0)
CPU_STEP = 0.05
MAX_INSTANCE_CONCURRENCY = 200
MAX_LAYERS = 5
MAX_MOUNTS = 5
MAX_TRIGGERS = 50
REGION_INSTANCES = 300
FILE_DESCRIPTORS = 100_000
PROCESSES = 1024
SESSION_SLOTS = 200

# runtime-contract.md §3.2: layer-4 check within 120 s
START_TIMEOUT_SECONDS = 120.0

# --- Choices where the contract says UNCONFIRMED; each follows its RECOMMENDED ---

# §1.2: SIGTERM, then SIGKILL after this grace
STOP_GRACE_SECONDS = 2.0
# §1.2: idle reclaim after 3-5 minutes; the emulator's option `keep_alive` starts here
KEEP_ALIVE_SECONDS = 240.0
# §1.3: the API default of hook timeouts is not documented; the examples have 3 s
HOOK_TIMEOUT_SECONDS = 3.0
# §4.4: a process that the kernel killed for memory is told by the process-exit text
# §1.4: Initializer failure is 200 for InvokeFunction and 502 through an HTTP trigger
INITIALIZER_FAILED_HTTP_STATUS = 502
# §3.6: body of a timeout through an HTTP trigger of a custom runtime
HTTP_FUNCTION_ERROR_BODY = b"Internal Server Error"
# How long a request waits for room when the on-demand limit is reached before it gets 429.
# FC documents 429 at once; a queue deadline above 0 is the emulator's option `queue_timeout`.
QUEUE_TIMEOUT_SECONDS = 0.0

# Bodies above this are streamed, not gathered (performance.md §5e)
STREAM_ABOVE_BYTES = 64 * KB

# platform.md §5: throttled and system errors back off 0.5, 1, 2, 4 … seconds for up to 5 hours
ASYNC_BACKOFF_SECONDS = 0.5
ASYNC_BACKOFF_MAX_SECONDS = 60.0
ASYNC_THROTTLED_FOR_SECONDS = 5 * 3600.0
# The pause before a retry of a function error is UNCONFIRMED: 1, 2, 4 … seconds here.
ASYNC_RETRY_SECONDS = 1.0
# platform.md §5: 0 < delay < 3600
ASYNC_MAX_DELAY_SECONDS = 3600
# Task records are kept for 7 days by FC; in memory, this many per emulator.
ASYNC_KEPT_TASKS = 10_000

# Project files (platform.md §1.7 and §3.2, runtime-contract.md §1.3, §1.7, §7.1, §8)
FUNCTION_NAME_LENGTH = 128
DISK_SIZES_MB = (512, 10240)
MAX_GPU_DISK_MB = 204_800
NAS_TARGETS = ("/home", "/mnt", "/tmp", "/data")  # noqa: S108 - paths inside of an instance
OSS_TARGETS = ("/home", "/mnt", "/data")
MAX_USER_ID = 65534
MAX_ASYNC_RETRIES = 8
MAX_ASYNC_AGE_SECONDS = 604_800
MEMORY_GB_PER_CPU = (1.0, 4.0)
# Which cpu FC gives where only memorySize is set is not documented: the share of its own default, 0.35 of 512 MB
CPU_PER_GB = 0.7
