"""Run the metrics service: `python -m services.metrics api|worker|all|migrate`."""

from services.metrics.app import SERVICE
from shared.main import main

main(SERVICE)
