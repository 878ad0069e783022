"""Pure signal code: no files, no network, no clock, no torch."""
