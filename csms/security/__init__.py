"""How stations prove who they are: certificates, passwords, and the security profile."""
