"""What services build their HTTP APIs from.

Routers come from `router_for`: their POST routes keep `Idempotency-Key`, and every route says by `requires` or
`public` who may call it. `Tx` is the request's one transaction, committed before the answer is sent.
"""

from shared.web.answers import answer_of
from shared.web.auth import Principal, PrincipalDep, public, requires
from shared.web.etags import check_if_match, etag
from shared.web.paging import Keyset, LeadingFilter, Page, PageDep, PageParams, equal_to, page_of
from shared.web.problems import problems
from shared.web.routing import router_for
from shared.web.transactions import Opening, Reading, RuntimeDep, Tx

__all__ = [
    "Keyset",
    "LeadingFilter",
    "Opening",
    "Page",
    "PageDep",
    "PageParams",
    "Principal",
    "PrincipalDep",
    "Reading",
    "RuntimeDep",
    "Tx",
    "answer_of",
    "check_if_match",
    "equal_to",
    "etag",
    "page_of",
    "problems",
    "public",
    "requires",
    "router_for",
]
