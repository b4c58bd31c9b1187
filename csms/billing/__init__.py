"""What charging costs, and what is paid for it: tariffs, costs, payments at stations."""
