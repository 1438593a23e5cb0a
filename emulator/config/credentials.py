"""The access keys that signatures are checked with. Secrets come by the environment only, never by flag or file."""

from __future__ import annotations

from collections.abc import Mapping

from emulator.model.function import Account

# Of FC and of Alibaba Cloud's own tools
KEY_ID, SECRET = "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"


def local_keys(account: Account, env: Mapping[str, str]) -> Mapping[str, str]:
    """Access key id → secret: what functions are given, and the developer's own."""
    keys = {account.access_key_id: account.access_key_secret}
    if env.get(KEY_ID) and env.get(SECRET):
        keys[env[KEY_ID]] = env[SECRET]
    return keys
