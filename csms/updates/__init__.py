"""Updates: firmware and settings that stations are to have, one by one or by campaign."""
