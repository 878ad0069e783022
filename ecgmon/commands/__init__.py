"""One module a subcommand: wires sources, pipeline and evaluation together, prints results."""
