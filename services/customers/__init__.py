"""The customers service: people who buy, what they bought, what they are, their coupons and their complaints."""
