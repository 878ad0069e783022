"""How to read the page."""

from __future__ import annotations

from typing import Final

PAGE: Final = """
<p>Every method of this page learned from windows of normal beats only, unless its experiment says
otherwise, and all methods of an experiment were scored on the same test windows. Figures are means over
fits, that is over seeds and patient folds, plus or minus their standard deviation. The test patients are
the same for every fit: the spread tells what another training would have given, not what other patients
would.</p>
"""

TABLE: Final = """
<p class="note">Click a heading of a table to sort it. <em>AUROC</em>: how often an abnormal window scores
above a normal one, without any threshold; <em>V</em> and <em>S</em>: of ventricular and of
supraventricular beats alone.
<em>mean of records</em>: the AUROC within each record, averaged. <em>validation</em>: on the patients by
which choices are made. <em>acc. normals</em>: share of the normal windows not called odd;
<em>acc. abnormals</em>, which is the recall: share of all others called odd. Precision, F1 and F-beta depend
on how common abnormal windows are in the test set. A hyphen is a figure that is undefined.</p>
"""

RESTORED: Final = """
<p>Solid: the window as the method sees it. Dashed: what it restored. Shaded: the error, which the score is
made of; RMS is its root mean square. Above windows of normal beats, below abnormal ones; all panels of a
method have the same scale. A detector wants the lower error above and the higher one below. Shown
are the first methods of the table that restore windows, and of detectors on one autoencoder the first.</p>
"""
