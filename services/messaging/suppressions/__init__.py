"""Who must not be written to: opt-outs and operators' blacklists."""
