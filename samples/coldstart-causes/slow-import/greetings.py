"""Settings that are fetched while this file is imported, as from a configuration service."""

import time

time.sleep(0.3)
HELLO = "hello"
