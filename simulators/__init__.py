"""An independent witness: stations, cars, sun and people that never import the service."""
