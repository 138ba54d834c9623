"""The verbs about the realtime service."""
