"""`python -m shared.probe URL`: end with 0 where an address answers well, for health checks of images without curl."""

from __future__ import annotations

import sys
from http.client import HTTPException
from urllib.request import urlopen

TIMEOUT_S = 4


def main() -> None:
    """Ask once, and say why where the answer is not good."""
    try:
        urlopen(sys.argv[1], timeout=TIMEOUT_S).close()  # noqa: S310  (the image's own health check names the address)
    except (OSError, HTTPException) as error:
        sys.exit(f"{sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()
