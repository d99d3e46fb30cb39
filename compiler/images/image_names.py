"""Image names as authors write them: comparing them, and adding a digest.

Left to others: the parts of a name (``remote.image_name``).
"""

from __future__ import annotations

from collections.abc import Iterable

from monopod.compiler.remote.image_name import ImageName


def identity(name: ImageName) -> tuple[str, str]:
    """Return what all names of an image have in common: the repository, and the digest or otherwise the tag."""
    return name.context, name.digest or name.tag


def with_digest(text: str, digest: str) -> str:
    """Return a name with its tag replaced by a digest."""
    text = text.partition("@")[0]
    directory, slash, last = text.rpartition("/")
    return f"{directory}{slash}{last.partition(':')[0]}@{digest}"


def digest_in(names: Iterable[str], image: ImageName) -> str:
    """Return the digest that an image has in its repository, according to its names; "" if it is not known.

    Images under ``localhost/`` are not in a registry.
    """
    digests = set()
    for text in names:
        try:
            name = ImageName.parse(text)
        except ValueError:
            continue
        if name.digest and name.context == image.context:
            digests.add(name.digest)
    return digests.pop() if len(digests) == 1 and image.registry != "localhost" else ""
