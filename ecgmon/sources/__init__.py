"""Where samples come from; each source yields chunks."""
