"""The functional blocks of OCPP 2.x, one module each where there is something to map.

Rows decode with the structs of the dialect that uses them, so the mapping functions are annotated
with those of both versions; what they return for the wire is built of 2.0.1 structs, whose JSON is
valid in 2.1 as well (the contract tests hold it to that).
"""
