"""`python -m services.messaging api|worker|all|migrate`."""

from services.messaging.app import SERVICE
from shared.main import main

main(SERVICE)
