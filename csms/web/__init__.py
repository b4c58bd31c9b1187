"""The HTTP tool-box: what every REST feature uses, and no feature itself."""
