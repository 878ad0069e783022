"""How to read the page."""

from __future__ import annotations

from typing import Final

PAGE: Final = """
<p>All methods of an experiment were scored on the same test windows. Unless its experiment says otherwise,
a method learned from single windows of normal beats, each by itself, of which only the size is measured
against the usual one of the same recording. Figures are means over fits, that is over seeds and patient
folds, plus or minus their standard deviation. The test patients are the same for every fit: the spread
tells what another training would have given, not what other patients would. Where each seed goes with one
fold, the spread of seeds and that of folds cannot be told apart.</p>
<p><strong>The project's own model (ecgmon) is given more than the others.</strong> It sees the recording as
a stream: it keeps a reference of the patient's own normal beat and of their usual distance from it, which
goes on adapting through the test, and it knows when a beat came too early. Rows of its experiment leave
these out, one after the other. Nor is its score new to these patients: its constants were chosen on DS1, so
that its validation AUROC is too good, and while the project grew its figures on DS2 were looked at some
twenty times, so that its test AUROC is, too. All other methods run as they are set, with nothing chosen on
DS2. A finished model (ecgmon as shipped) has learned from all of DS1: there are no patients to validate it
on or to choose a threshold by, and those columns are empty.</p>
<p>Records 201 and 202 of MIT-BIH are of one heart, and the usual halves, DS1 and DS2, have one each: where
both are used, the patient of one of the 22 test recordings was learned from or validated on. Beats that the
detector did not find, beats in bad signal and beats that no annotation knows are not tested; each
experiment counts them.</p>
"""

TABLE: Final = """
<p class="note">Click a heading of a table to sort it. <em>AUROC</em>: how often an abnormal window scores
above a normal one, without any threshold; <em>V</em> and <em>S</em>: of ventricular and of supraventricular
beats alone. <em>mean of records</em>: the AUROC within each record, averaged. <em>validation</em>: on the
patients by which choices are made, less the first five minutes of each recording, as in the test. <em>acc.
normals</em>: share of the normal windows not called odd; <em>acc. abnormals</em>, which is the recall:
share of all others called odd. Precision, F1 and F-beta depend on how common abnormal windows are in the
test set. <em>training</em> is the fit alone: libraries are loaded and windows normalised before. <em>at the
limit</em>: share of the fits that were best in the last of the epochs they were given, or the one before,
and might be better with more. A hyphen is a figure that is undefined.</p>
"""

RESTORED: Final = """
<p>Solid: the window as the method sees it. Dashed: what it restored. Shaded: the error; RMS is its root
mean square. An autoencoder's score is made of it, that of a detector on the latent is not. Above windows of
normal beats, below abnormal ones; all panels of a method have the same scale. Where the score is the error,
one wants it lower above and higher below. Shown are the first methods of the table that restore windows,
and of detectors on one autoencoder the first.</p>
"""
