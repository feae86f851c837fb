"""The five services and the sandbox. No service imports another; `embedded` composes them."""
