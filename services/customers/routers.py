"""What the API of the customers service answers, in the order of its description."""

from __future__ import annotations

from services.customers.coupons.api import router as coupons
from services.customers.customers.api import router as customers
from services.customers.purchases.api import router as purchases
from services.customers.tickets.api import router as tickets

ROUTERS = (customers, purchases, coupons, tickets)
