"""Sites: their equipment, what is measured there, and what is forecast and paid."""
