"""The messaging service: what is sent to people and what they answer, and why a message was sent or was not."""
