"""What an image is made of: read from its files, told by the schema of CycloneDX."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from gavan.engines.images.sbom.document import document
from gavan.engines.images.sbom.read import Contents, Package, read_files, read_lock

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 1:2.41-12+deb13u1
Description: GNU C Library
 Package: not-a-field

Package: gone
Status: deinstall ok config-files
Version: 1.0
"""
RELEASE = 'ID=debian\nVERSION_ID="13"\n'
SITE = "usr/lib/python3/dist-packages"
ID = "sha256:" + "ab" * 32


def image(files: dict[str, str]) -> Contents:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    buffer.seek(0)
    return read_files(buffer)


def purls(contents: Contents) -> list[str]:
    return [one.purl for one in contents.packages]


def test_packages_of_the_system_are_those_that_are_installed() -> None:
    # The list comes before the file that names the system, as it may in an image.
    found = image({"var/lib/dpkg/status": STATUS, "usr/lib/os-release": RELEASE})
    assert found.system == "debian-13"
    assert purls(found) == ["pkg:deb/debian/libc6@1:2.41-12%2Bdeb13u1?arch=amd64&distro=debian-13"]
    alpine = image({
        "./lib/apk/db/installed": "P:musl\nV:1.2.5-r9\nA:x86_64\nL:MIT\n\nF:lib\n",
        "./etc/os-release": "ID=alpine\nVERSION_ID=3.22.1\n",
    })  # fmt: skip
    assert purls(alpine) == ["pkg:apk/alpine/musl@1.2.5-r9?arch=x86_64&distro=alpine-3.22.1"]


def test_packages_of_python_and_node_are_found_where_they_are_installed() -> None:
    found = image({
        f"{SITE}/Flask_Thing-3.0.dist-info/METADATA":
            "Name: Flask_Thing\nVersion: 3.0\nLicense-Expression: MIT OR Apache-2.0\n\nLong text\n",
        "srv/node_modules/@scope/left/package.json":
            '{"name": "@scope/left", "version": "1.0.0", "license": "MIT"}',
        "srv/node_modules/@scope/left/node_modules/deep/package.json":
            '{"name": "deep", "version": "2.0.0-rc.1+b"}',
        "srv/node_modules/left/dist/package.json": '{"type": "module"}',
        "srv/node_modules/broken/package.json": "{",
        "srv/package.json": '{"name": "app", "version": "9.9.9"}',
    })  # fmt: skip
    assert found.system == ""
    assert found.packages == (
        Package(purl="pkg:npm/%40scope/left@1.0.0", name="@scope/left", version="1.0.0",
                license="MIT"),
        Package(purl="pkg:npm/deep@2.0.0-rc.1%2Bb", name="deep", version="2.0.0-rc.1+b"),
        Package(purl="pkg:pypi/flask-thing@3.0", name="Flask_Thing", version="3.0",
                license="MIT OR Apache-2.0", expression=True),
    )  # fmt: skip


def test_a_bundle_is_made_of_what_its_lock_file_brings_but_not_of_what_builds_it() -> None:
    lock = {"packages": {
        "": {"name": "web", "version": "0.0.0"},
        "node_modules/react": {"version": "19.0.0", "license": "MIT"},
        "node_modules/a/node_modules/alias": {"name": "real", "version": "1.0.0"},
        "node_modules/vite": {"version": "7.0.0", "dev": True},
        "node_modules/here": {"resolved": "packages/here", "link": True},
    }}  # fmt: skip
    found = [one.purl for one in read_lock(json.dumps(lock))]
    assert found == ["pkg:npm/react@19.0.0", "pkg:npm/real@1.0.0"]


@pytest.mark.parametrize("files", [{}, {
    "var/lib/dpkg/status": STATUS,
    "etc/os-release": RELEASE,
    f"{SITE}/a-1.dist-info/METADATA": "Name: a\nVersion: 1\nLicense: BSD\n",
    f"{SITE}/a-1.again.dist-info/METADATA": "Name: a\nVersion: 1\nLicense: another\n",
}])  # fmt: skip
def test_a_document_is_valid_and_the_same_for_the_same_image(files: dict[str, str]) -> None:
    contents = image(files)
    text = json.dumps(document("shop-api:sha-1234567", ID, contents))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert text == json.dumps(document("shop-api:sha-1234567", ID, image(files)))
    assert json.loads(text)["serialNumber"] != document("a:b", ID, contents)["serialNumber"]
