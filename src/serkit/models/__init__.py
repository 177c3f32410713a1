"""The model files that ship with serkit, as data; `serkit.load` reads them."""
