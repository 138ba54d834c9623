"""Blobs behind one protocol: a folder, or any S3. Stands on the ground floor, for the core and
for application services alike."""
