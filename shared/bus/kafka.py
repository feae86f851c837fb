"""Kafka as the transport."""
