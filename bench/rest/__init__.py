"""The data API under load beside the others, and the sizes it must bear.

Run by ``python -m bench.rest``.
"""
