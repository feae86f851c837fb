"""What people write to our lines."""
