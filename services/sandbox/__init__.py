"""The sandbox: a panel that speaks sms.ir, a mail server, and the phones that they reach. Never in production."""
