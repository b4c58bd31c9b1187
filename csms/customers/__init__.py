"""What stations know of customers: asked for, shown to those who may see people, forgotten."""
