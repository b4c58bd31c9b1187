"""What charging costs, and what can be a VAT number."""
