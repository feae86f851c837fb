"""`python -m services.leads api|worker|all|migrate`."""

from services.leads.app import SERVICE
from shared.main import main

if __name__ == "__main__":
    main(SERVICE)
