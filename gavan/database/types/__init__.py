"""Typed clients from the catalogue: read it once, then render TypeScript or Python, purely."""
