"""The commands of `heliofleet`, one module each; `csms.cli` wires them."""
