"""The comparison as text, markdown, JSON and one HTML page with pictures.

Made of a list of :class:`~ecgmon.comparison.report.material.Experiment`:

- :mod:`ecgmon.comparison.report.tables`: ``text`` for the terminal, ``markdown`` for documents, ``json_rows``
  for files. These need no matplotlib.
- :func:`ecgmon.comparison.report.page.build` draws everything and returns the page and its pictures
  (``Report.files()``: path within the report's folder to bytes). It imports matplotlib.
"""
