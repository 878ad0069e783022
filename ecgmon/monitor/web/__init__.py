"""The live page and the HTTP API behind it: what is happening now, for people to look at.

The compute thread writes down what just was (:mod:`.store`), in a few microseconds and bytes a stream, and
does nothing for those who look: their own threads read it (:mod:`.feed`, :mod:`.api`).
"""
