"""What an image is made of, as a CycloneDX document: read from the image, not from wishes.

``read.py`` finds packages in its files, ``document.py`` writes them down, ``write.py`` does both
for images that were built. Written by hand and not by cyclonedx-python-lib: a list of names,
versions and licences needs none of its five packages in every installation; that library's own
schema judges the documents in the tests.
"""
