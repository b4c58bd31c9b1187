"""Programs for those who work on Heliofleet: generators and checks, not part of the package."""
