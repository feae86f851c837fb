"""`python -m services.customers api|worker|all|migrate`."""

from services.customers.app import SERVICE
from shared.main import main

if __name__ == "__main__":
    main(SERVICE)
