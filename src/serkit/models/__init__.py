"""Shipped model files; `serkit.load` reads them."""
