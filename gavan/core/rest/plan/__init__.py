"""Stage 3: request and schema cache in, plan out. Sees neither HTTP nor SQL text."""
