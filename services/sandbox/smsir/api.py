"""sms.ir's paths, below an address of the sandbox's own."""

from __future__ import annotations

from fastapi import APIRouter

from services.sandbox.smsir import reports, sending

router = APIRouter(prefix="/sandbox/smsir/v1", include_in_schema=False)
router.include_router(sending.router)
router.include_router(reports.router)
