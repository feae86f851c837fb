"""Messages: the intent, the decisions about it, its sending and its fate."""
