"""How fast objects come and go, beside what the machine itself allows."""
