"""What a release takes and loses under load, and the memory of a whole stack on its server."""
