"""Names of images as authors write them: which are the same image, and an author's name with a digest.

Left to others: what parts a name has (``remote.registry``).
"""

from __future__ import annotations

from collections.abc import Iterable

from monopod.compiler.remote.registry import ImageName


def identity(name: ImageName) -> tuple[str, str]:
    """Return what all names of an image have in common: repository, and digest or else tag."""
    return name.context, name.digest or name.tag


def with_digest(text: str, digest: str) -> str:
    """Return a name with a digest in place of its tag, the rest as it is written."""
    text = text.partition("@")[0]
    directory, slash, last = text.rpartition("/")
    return f"{directory}{slash}{last.partition(':')[0]}@{digest}"


def digest_in(names: Iterable[str], image: ImageName) -> str:
    """Return the digest that an image has in its repository, by the names that it is known by; "" if that is not sure.

    What lies under ``localhost/`` is in no registry.
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
