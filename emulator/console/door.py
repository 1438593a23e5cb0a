"""Who may open the console: its own pages, and a person who goes there. The guard has judged Host and Origin before.

A page of another origin can not read an answer without CORS headers, of which there are none; here it does not even
get one. Browsers tell by Fetch metadata who asks, and no page can change that (W3C Fetch Metadata, §2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

OWN = ("", "same-origin", "none")
# Nothing is loaded from elsewhere, nothing is run that stands in a page, and nobody may put the console into a frame.
HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
NOT_KEPT: Mapping[str, str] = {**HEADERS, "cache-control": "no-store"}


class Asking(Struct, frozen=True):
    """What a request says of where it comes from; empty where it says nothing."""

    method: str
    host: str
    origin: str
    site: str
    mode: str
    destination: str

    @classmethod
    def read(cls, method: str, headers: Iterable[tuple[bytes, bytes]]) -> Asking:
        found = {name: value.decode("latin-1") for name, value in headers}
        names = (b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest")
        return cls(method, *(found.get(name, "") for name in names))

    @property
    def is_visit(self) -> bool:
        """Whether somebody goes to a page, in a window of its own; what is no browser says nothing and passes."""
        navigates = self.mode in ("", "navigate") and self.destination in ("", "document")
        return self.method == "GET" and navigates and not self.origin

    @property
    def is_own(self) -> bool:
        """Whether a page of the console asks, or nobody's."""
        return self.site in OWN and self.origin in ("", f"http://{self.host}")
