"""Run the metrics service: `python -m services.metrics api|worker|all|migrate`."""

from shared.main import main

from services.metrics.app import SERVICE

main(SERVICE)
