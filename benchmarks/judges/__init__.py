"""Outside judges of the scheduler: simulators that others wrote, with the rules they come with.

Each has a translation of what it shows at a moment into a planning problem and of the plan's first
step into what it understands (`ev2gym_world`, `acn_world`), and a contest (`ev2gym`, `acnsim`).
They are asked for what their own rules may see and for nothing later. None is among the
requirements: docs/explanation/how-good-plans-are.md says how to install them.
"""
