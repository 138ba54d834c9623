"""The sizes that the data API must bear: a big schema, many idle clients, a long life."""
