"""The leads service: who may buy, who answers them, and by when."""
