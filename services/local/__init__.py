"""The distributed deployment on one machine without Docker: what `make up-local` runs."""
