"""Autoencoders, training, scoring, calibration and the bundle; the only place that imports torch."""
