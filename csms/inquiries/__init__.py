"""Reports that stations are asked for and that come in parts."""
