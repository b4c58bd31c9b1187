"""Between plans cars follow the sun that is measured, and circuits are kept by measurement."""
