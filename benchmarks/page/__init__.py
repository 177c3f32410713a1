"""The results pages: one module per section, each a function from results to a `Section`."""
