"""One module per change of the schema, each with the way up and the way down."""
