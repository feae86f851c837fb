"""`python -m services.surveys api|worker|all|migrate`."""

from services.surveys.app import SERVICE
from shared.main import main

if __name__ == "__main__":
    main(SERVICE)
