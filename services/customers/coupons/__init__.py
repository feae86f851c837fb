"""Coupons: issued for one person, redeemed once."""
