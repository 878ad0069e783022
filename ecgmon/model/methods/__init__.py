"""Ways to say how odd a window of 187 samples is: the autoencoders and detectors that ``ecgmon compare`` sets
side by side."""
