"""The evaluation as one HTML page with pictures.

matplotlib, which only the extra ``report`` asks for, is imported by :mod:`page` and what it draws with. What
is gathered while recordings are judged (:mod:`material`, :mod:`examples`, :mod:`ec57`) does without.
"""
