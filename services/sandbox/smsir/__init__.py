"""sms.ir's REST API, version 1, as its documents and SDKs describe it."""
