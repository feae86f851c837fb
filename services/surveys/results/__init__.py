"""What the answers to a survey say, with their intervals."""
