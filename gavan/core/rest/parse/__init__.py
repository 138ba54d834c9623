"""Stage 2: the grammar of the URL and of the headers. Sees text, never tables or a database."""
