"""The ways of an account: sign up, prove an address, recover, change, be invited."""
