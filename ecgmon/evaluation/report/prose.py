"""How to read each part of the page."""

from __future__ import annotations

from typing import Final

RECORDS: Final = """
<p class="note">Shares are 0 to 1; a dash is a figure that is undefined. "AUROC strict" also ranks missed,
invented and unscored beats. A flagged share is of all annotated beats of the class. V runs are runs of
three or more V beats. False flags are the flagged share of the scored normal and invented beats.</p>
"""

PROMISES: Final = """
<p class="note">What became of p-values at other thresholds than the one in force: of the scored normal and
invented beats of all recordings, so many have a p-value at or under the requested one. The spread is over
recordings, not over beats.</p>
"""

NOISE: Final = """
<p>After five minutes of learning, recorded noise was added for two minutes and left out for two, by turns.
All other figures, curves and pictures of this page are over both parts together; this table takes them
apart.</p>
"""

PACED: Final = """
<p><strong>Paced recordings are included: {names}.</strong> Evaluations that follow the AAMI's recommended
practice leave them out (de Chazal, O'Dwyer and Reilly 2004); compare figures with theirs only when they are
left out here too, by <code>--exclude</code>.</p>
"""

EC57: Final = """
<p>Gross statistics add the counts of all recordings first: each beat weighs the same. Average statistics
are means of the recordings' own figures: each patient weighs the same. As in ANSI/AAMI EC57 an average
leaves out the recordings where its figure is undefined, which is shown as a dash; the last row says how
many were averaged. A recording without beats of a class but with false flags has a +P of 0 for it, and
counts.</p>
<p><strong>What a flag means.</strong> The detector names no class. A flagged beat is one that is unusual
for its patient, so "V flagged" means that a V beat was flagged, not that it was called V. <em>Se</em> of a
class is the flagged share of all its annotated beats, those not detected or not scored included;
<em>any</em> is all anomalous beats together. <em>+P</em> of a class weighs its flagged beats against
flagged normal beats and flagged detections without an annotation; flagged beats of the other anomalous
classes count neither for nor against. There is one <em>FPR</em>, the flagged share of the scored normal
beats and inventions, since one flag serves all classes. These are therefore not EC57's own VEB and SVEB
statistics, which ask for the class.</p>
"""

EXAMPLES: Final = """
<p>Solid: what was recorded, after the monitor's filters. Dotted, where there is one: the patient's own usual
beat. Dashed, "restored": what the autoencoder made of the recorded beat, drawn half-way back to the usual
one if it was shown one. Shaded: the error, in the span that the score reads, which thin upright lines mark;
what lies outside of it does not count. The score is made of this error and of the rhythm, but not of the
shaded area as it stands: before and after the QRS complex the error's mean, which is baseline wander, is
taken out first, and each part is set against what is usual for the patient. Below score and p-value stands
the evidence by part, in standard deviations from what is usual for the patient.</p>
<p>Of each class the page shows the most extreme beats (missed ones of the lowest score, flagged ones of the
highest) and some drawn at random with a fixed seed, spread over the recordings. Squares are 0.2 s wide; no
picture is less than 2 mV high.</p>
"""

WINDOWS: Final = """
<p>Solid: the window as given. Dashed: what the autoencoder made of it. Shaded: the error, whose root mean
square over the whole window is the score. Of each class the page shows the most extreme beats (missed ones
of the lowest score, flagged ones of the highest) and some drawn at random with a fixed seed.</p>
"""

TIMELINES: Final = """
<p>One row for each class that was annotated, a tick for each beat. <em>V runs</em>: runs of three or more V
beats, filled where an alert touched them, cross-hatched where none did. <em>flutter</em>: annotated
ventricular flutter or fibrillation, whose beats are not counted. <em>flagged</em>: upper ticks are
anomalous beats, lower ones are normal beats or none at all. <em>alerts</em>: filled bars are true, hatched
bars with a cross above are false; grey ones were raised in the learning time and are not counted. <em>bad
signal</em>: nothing was scored. A bar is never drawn narrower than a line, so the shortest ones look longer
than they are.</p>
"""
