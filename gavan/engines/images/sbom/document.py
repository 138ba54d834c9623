"""A CycloneDX document of an image, in JSON; pure. The same image gives the same bytes.

Stands above read.py.
"""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from gavan.engines.images.sbom.read import Contents, Package
from gavan.kit.version import VERSION

SPEC = "1.6"


def document(reference: str, image_id: str, contents: Contents) -> dict[str, Any]:
    """Return the document of an image.

    Args:
        reference: its name, as in ``shop-api:sha-1234567``.
        image_id: the digest of its configuration, ``sha256:...``.
    """
    name, _, tag = reference.rpartition(":")
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, f'{reference}@{image_id}')}",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "gavan", "version": VERSION}]},
            "component": {
                "type": "container",
                "bom-ref": image_id,
                "name": name,
                "version": tag,
                "properties": [
                    {"name": "gavan:image:id", "value": image_id},
                    {"name": "gavan:image:system", "value": contents.system or "none"},
                ],
            },
        },
        "components": [_component(one) for one in contents.packages],
    }


def _component(one: Package) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": one.purl,
        "name": one.name,
        "version": one.version,
        "purl": one.purl,
    }
    if one.license:
        told = {"expression": one.license} if one.expression else {"license": {"name": one.license}}
        found["licenses"] = [told]
    return found
