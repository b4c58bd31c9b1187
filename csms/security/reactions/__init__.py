"""What follows by itself: certificates are signed, and changes of logins take their steps."""
