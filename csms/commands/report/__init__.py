"""The report of a played run: figures, pictures and the page that shows them."""
