"""Advice of an archive's report: what to do next, in the order in which it matters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from camcore.formatting import percent
from camcore.metrics.drift import DriftSeries
from camcore.metrics.intervals import Interval
from camcore.metrics.outcomes import OUTCOMES
from camcore.metrics.reliance import Margin
from camcore.metrics.standouts import LEAST_BURSTS, Standout
from camcore.report.archive_records import ArchiveRecords

_MANY = 0.1  # share of visits that rely on the background, from which on the whole archive is a concern
_UNDECIDED = 0.5  # share of the photos with a box that are not decided, from which on that is said


@dataclass(frozen=True)
class Advice:
    """One thing to do: what was measured, and what to do about it; `species` and `site` name the photos concerned."""

    title: str
    measured: str
    remedy: str
    species: str = ""
    site: str = ""
    is_severe: bool = False


@dataclass(frozen=True)
class Evidence:
    """What was measured over an archive."""

    records: ArchiveRecords
    archive: Margin
    standouts: Sequence[Standout]
    compared: int  # species at sites that were compared with the rest
    drifts: Sequence[DriftSeries]
    outcomes: Sequence[int]  # photos, in the order of OUTCOMES


def advise(evidence: Evidence) -> list[Advice]:
    """Return what to do next about an archive; there is always something."""
    return [*_on_backgrounds(evidence), *_on_drift(evidence), *_on_reasons(evidence), *_on_gaps(evidence)]


def _on_backgrounds(evidence: Evidence) -> Iterator[Advice]:
    word, archive = evidence.records.target_word, evidence.archive.tally
    for standout in evidence.standouts:
        yield Advice(
            f"Look at {standout.species} at {standout.site}",
            f"In {standout.count:,} of {standout.total:,} visits, the prediction needs the background, not the {word} "
            f"({_between(standout.interval)}); elsewhere in {percent(standout.rest_share)}.",
            "Look through these photos for what they share, such as a feeder or a fence. Until the model is better, do "
            "not rely on its predictions there: train it with this species at other sites, and with others here.",
            standout.species,
            standout.site,
            is_severe=True,
        )
    if evidence.standouts or archive.share is None:
        return
    interval = evidence.archive.interval or archive.interval
    measured = f"In {archive.count:,} of {archive.total:,} visits, the prediction needs the background, not the {word}"
    measured += f" ({_between(interval)})." if interval else "."
    if archive.share >= _MANY:
        yield Advice(
            "Look at the photos with the least heat on the " + word,
            measured,
            "No species at one site stands out: the reliance on the background is spread over the archive. Begin with "
            "the photos to check first.",
            is_severe=True,
        )
    elif evidence.compared:
        combinations = f"{evidence.compared:,} combination{'s' if evidence.compared > 1 else ''}"
        yield Advice(
            "Look at a few photos of each species",
            f"{measured} None of the {combinations} of a species and a site stands out from the rest.",
            "This does not prove that the model is sound: look at the photos at random below, and test the model with "
            "photos of sites that it was not trained on.",
        )
    else:
        yield Advice(
            "Add photos before you compare sites",
            f"{measured} No species has {LEAST_BURSTS} visits or more at a site that could be compared with others.",
            "Say where photos were taken, with --site-from or a column of a table, or study more photos.",
        )


def _on_drift(evidence: Evidence) -> Iterator[Advice]:
    for series in evidence.drifts:
        if series.trend is not None and series.trend.is_named and series.trend.slope > 0:
            of_species = f" of {series.species}" if series.species else ""
            yield Advice(
                f"Look at the latest photos{of_species}",
                f"At the same sites, the share of visits{of_species} in which the prediction needs the background "
                f"rises by {percent(series.trend.slope)} a month.",
                "Compare early and late photos of a site: a season, a moved camera or new vegetation may be the cause.",
                series.species or "",
            )


def _on_reasons(evidence: Evidence) -> Iterator[Advice]:
    counts = dict(zip(OUTCOMES, evidence.outcomes, strict=True))
    wrong_reason, word = counts["right for the wrong reason"], evidence.records.target_word
    if wrong_reason:
        right = wrong_reason + counts["right for the right reason"]
        yield Advice(
            "Do not take right answers for understanding",
            f"{wrong_reason:,} of {right:,} correct predictions that could be judged rest on something other than the "
            f"{word}.",
            "They may fail where the background changes: check them before you report how often the model is right.",
        )
    looking, away = counts["wrong but looking"], counts["wrong and looking away"]
    if looking + away:
        total = sum(counts.values()) - counts["not judged"]
        yield Advice(
            "Check the predictions that differ from the label",
            f"They are {looking + away:,} of {total:,} that could be judged; in {looking:,} of them, the model looked "
            f"at the {word}.",
            "Where it looked, it mistakes one species for another: train it with more photos of them. Where it looked "
            "away, vary the backgrounds. Some labels may be wrong, too.",
        )


def _on_gaps(evidence: Evidence) -> Iterator[Advice]:
    records = evidence.records
    without, word = records.unmarked.total(), records.target_word
    if records.explained and without == records.explained:
        yield Advice(
            f"Mark the {word}s",
            "No photo has a box, so whether the model looks at the animal is not known.",
            "Run a detector such as MegaDetector over the photos, and name its file with --boxes.",
            is_severe=True,
        )
    elif without:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in records.unmarked.most_common())
        yield Advice(
            f"Mark the {word} in the photos without a box",
            f"{without:,} of {records.explained:,} photos have no box that could be used: {reasons}.",
            f"Nothing is said about them. If there is an {word} in them, try a lower --confidence.",
        )
    decided = sum(count for finding, count in records.findings.items() if finding != "not decided")
    if records.findings and decided < (1 - _UNDECIDED) * records.findings.total():
        yield Advice(
            "Be careful with the shares above",
            f"For {records.findings.total() - decided:,} of {records.findings.total():,} photos with a box, the "
            "model's answers do not decide what its prediction needs.",
            f"Mostly the {word} is too small in what the model sees: export the model with --view box, or crop the "
            "photos.",
        )
    if records.errors:
        reason, count = records.errors.most_common(1)[0]
        yield Advice(
            "Mend the photos that could not be explained",
            f"{records.errors.total():,} of {records.total:,}; the most frequent reason ({count:,}): {reason}.",
            "Mend or copy them again, and run the same command: only they are explained anew.",
        )


def _between(interval: Interval) -> str:
    return f"{percent(interval.low)} to {percent(interval.high)}"
