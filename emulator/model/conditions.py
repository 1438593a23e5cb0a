"""What is made like the cloud around the start of each instance (docs/profiles.md)."""

from __future__ import annotations

from msgspec import Struct

from emulator.model.speed import Speed


class Conditions(Struct, frozen=True):
    """`cache`: keep (leave the page cache alone), look (tell what of the function's files is in it), or cold (put them
    out before). The speeds are of the disk below code, layers and interpreter, of NAS and OSS, and of what is
    downloaded before the start; None for this machine's own."""

    cache: str = "keep"
    disk: Speed | None = None
    nas: Speed | None = None
    code_download: Speed | None = None
    image_pull: Speed | None = None
