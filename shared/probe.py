"""`python -m shared.probe URL`: end with 0 where an address answers well, for health checks of images without curl.

What is answered in JSON is printed, for whoever asks by hand how a process is.
"""

from __future__ import annotations

import sys
from http.client import HTTPException, HTTPResponse
from urllib.error import HTTPError
from urllib.request import urlopen

TIMEOUT_S = 4


def main() -> None:
    """Ask once, and say why where the answer is not good."""
    try:
        with urlopen(sys.argv[1], timeout=TIMEOUT_S) as answer:  # noqa: S310  (whoever calls names the address)
            _tell(answer)
    except HTTPError as refusal:
        _tell(refusal)
        sys.exit(f"{sys.argv[1]}: {refusal}")
    except (OSError, HTTPException) as error:
        sys.exit(f"{sys.argv[1]}: {error}")


def _tell(answer: HTTPResponse | HTTPError) -> None:
    if answer.headers.get_content_type() == "application/json":
        print(answer.read().decode())  # noqa: T201  (it is what was asked for)


if __name__ == "__main__":
    main()
