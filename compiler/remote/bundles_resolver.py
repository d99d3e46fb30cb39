"""The resolver ``bundles``: a layer of an OCI image (Tekton docs/bundle-resolver.md, tekton-bundle-contracts.md).

Unlike Tekton, monopod has no ServiceAccount to pull with. It uses the Secret that ``secret`` names, or this user's
logins (``registry_credentials``).
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from typing import Any

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.remote.image_name import ImageName
from monopod.compiler.remote.reference import (
    MAX_DOCUMENT_BYTES,
    Address,
    RefSource,
    RemoteError,
    RemoteReference,
    Resolved,
    ResolverOptions,
)
from monopod.compiler.remote.registry import Registry, RegistryError
from monopod.compiler.remote.registry_credentials import login_of_secret, login_of_user

PARAMS = frozenset({"secret", "bundle", "name", "kind", "cache", "serviceAccount"})
MAX_LAYERS = 20

_NAME, _KIND, _API_VERSION = (f"dev.tekton.image.{name}" for name in ("name", "kind", "apiVersion"))
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


def resolve(reference: RemoteReference, options: ResolverOptions) -> Resolved:
    """Return a document from a bundle. Raises RemoteError."""
    bundle, wanted = reference.required("bundle"), reference.required("name")
    kind = reference.get("kind", "task").lower()
    name = _image(bundle)
    secret = reference.get("secret")
    if secret:
        login = login_of_secret(secret, "secret", name.context, options)
    else:
        login = login_of_user(name.context, options.environment)
    registry = Registry(name, login, options.cache)
    what = f"bundle {bundle}"
    try:
        image = registry.image()
        layer = _layer(image.manifest["layers"], kind, wanted, what)
        content = _document(registry.blob(layer))
    except RegistryError as error:
        raise RemoteError(f"{what}: {error}{_hint(error, name)}") from error
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise RemoteError(f"{what}: cannot read the layer of the {kind} '{wanted}': {error}") from error
    source = RefSource(name.context, (("sha256", image.digest.partition(":")[2]),), wanted)
    warnings = ("serviceAccount has no effect here; use secret, or log in to the registry",)
    origin = f"bundle {name.context}@{image.digest[:19]} {kind} {wanted}"
    return Resolved(content, origin, source, warnings if reference.get("serviceAccount") else ())


def address(reference: RemoteReference) -> Address:
    """Return the bundle, without and with its tag, and the document in it. Raises RemoteError."""
    bundle, wanted = reference.required("bundle"), reference.required("name")
    image = _image(bundle)
    without_digest = bundle.partition("@")[0]
    tag = without_digest.rpartition("/")[2].partition(":")[2]
    without_tag = without_digest.removesuffix(f":{tag}")
    names = dict.fromkeys((without_tag, image.context, without_digest, bundle))
    kind = reference.get("kind", "task").lower()
    return Address("bundles", tuple(names), "named", "name", kind=kind, name=wanted, version=tag)


def _image(bundle: str) -> ImageName:
    try:
        return ImageName.parse(bundle)
    except ValueError as error:
        raise RemoteError(str(error), "bundle") from error


def _hint(error: RegistryError, name: ImageName) -> str:
    if error.status in {401, 403}:
        return f"; log in to {name.registry}, or name a Secret of type kubernetes.io/dockerconfigjson with secret"
    if error.status == 404:
        return "; check the name and the tag"
    if name.digest or not error.unreachable:
        return ""
    return "; offline, only references with a digest come from the cache"


def _layer(layers: list[Any], kind: str, wanted: str, what: str) -> dict[str, Any]:
    """Return the layer of a document, after checking all layers against the bundle contract."""
    if len(layers) > MAX_LAYERS:
        raise RemoteError(f"{what}: it has {len(layers)} layers; a bundle has at most {MAX_LAYERS}")
    by_name: dict[tuple[str, str], dict[str, Any]] = {}
    for index, layer in enumerate(layers):
        value = layer.get("annotations") if isinstance(layer, dict) else None
        annotations: dict[str, Any] = value if isinstance(value, dict) else {}
        for annotation in (_API_VERSION, _NAME, _KIND):
            if not isinstance(annotations.get(annotation), str):
                raise RemoteError(f"{what}: not a bundle: layer {index} has no annotation {annotation}")
        layer_kind = annotations[_KIND]
        if layer_kind != layer_kind.lower() or layer_kind.endswith("s"):
            message = f"layer {index} has the kind '{layer_kind}', which must be lower case and singular"
            raise RemoteError(f"{what}: {message}")
        by_name.setdefault((layer_kind, annotations[_NAME]), layer)
    if (kind, wanted) not in by_name:
        entries = {f"{each_kind} {name}" for each_kind, name in by_name}
        hint = did_you_mean(f"{kind} {wanted}", entries)
        listed = ", ".join(sorted(entries)) or "nothing"
        raise RemoteError(f"{what}: it contains no {kind} '{wanted}'{hint}; it contains {listed}", "name")
    return by_name[kind, wanted]


def _document(layer: bytes) -> bytes:
    """Return the first file in a layer, or the layer itself if it is not an archive."""
    if layer.startswith(_ZSTD):
        raise RegistryError("the layer is compressed with zstd, which bundles do not allow")
    content = _unzipped(layer) if layer.startswith(_GZIP) else layer
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            member = archive.next()
            file = archive.extractfile(member) if member is not None else None
            if file is None:
                raise RegistryError("the layer is an archive without a file")
            return file.read()
    except tarfile.ReadError:
        return content


def _unzipped(layer: bytes) -> bytes:
    with gzip.open(io.BytesIO(layer)) as file:
        content = file.read(MAX_DOCUMENT_BYTES + 1)
    if len(content) > MAX_DOCUMENT_BYTES:
        raise RegistryError(f"the layer is larger than {MAX_DOCUMENT_BYTES / 2**20:g} MiB")
    return content
