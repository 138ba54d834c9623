"""What the service role can do with accounts, and what it can read about them."""
