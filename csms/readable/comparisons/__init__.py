"""A what-if for people who decide: what is different, what it comes to, what to know before."""
