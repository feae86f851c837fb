"""Facts: what events said, kept as they said it. Each is inserted once by its own id and never changed."""
