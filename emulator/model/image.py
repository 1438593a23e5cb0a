"""What a container image says of itself: how its program is started."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


class Image(Struct, frozen=True):
    """`reference` is how it is called. `id` is its content's digest; "" for one that is only described by a Dockerfile.

    `environment` is what its program is given before anything else, `user` as USER has it (a name or a number, perhaps
    with a group), `architecture` in the words of Go (`amd64`), `size` what it takes unpacked, in bytes.
    """

    reference: str
    id: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = NO_VARIABLES
    workdir: str = "/"
    user: str = ""
    architecture: str = ""
    size: int = 0


class Copied(Struct, frozen=True):
    """A COPY from the build's own folder: `source` is a path in there ("" for all of it), `target` one in the image.

    `staged`: it came through another stage, which may have made something else of it.
    """

    source: str
    target: str
    staged: bool = False
