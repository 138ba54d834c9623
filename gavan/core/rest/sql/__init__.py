"""Stage 4: plan in, statement out. Values are parameters, names go through quote_identifier.

The fixed queries of the catalogue lie beside the writers as ``catalogue/*.sql``.
"""
