"""The comparison as text, markdown, JSON and one HTML page with pictures.

Made of a list of :class:`~ecgmon.comparison.report.material.Experiment`:

- :func:`ecgmon.comparison.report.tables.text` for the terminal, :func:`~ecgmon.comparison.report.tables.markdown`
  for documents, :func:`~ecgmon.comparison.report.tables.json_rows` for files: these need no matplotlib.
- :func:`ecgmon.comparison.report.page.build` draws everything and returns the page and its pictures
  (``Report.files()``: path within the report's folder to bytes). It imports matplotlib.
"""
