"""The training recipes that ship, as data; `serkit.training.load_recipe` reads them."""
