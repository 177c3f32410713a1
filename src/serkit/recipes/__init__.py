"""Shipped training recipes; `serkit.training.load_recipe` reads them."""
