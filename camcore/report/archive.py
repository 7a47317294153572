"""The report of an archive: an index of one file, and pages with contact sheets by species and by site."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from camcore.drawing.output import make_folder
from camcore.metrics.bursts import group_bursts
from camcore.metrics.drift import DriftSeries, measure_drift
from camcore.metrics.outcomes import OUTCOMES, count_outcomes
from camcore.metrics.reliance import Margin, Margins, RelianceMatrix, Tally, margins, reliance_matrix
from camcore.metrics.standouts import LEAST_BURSTS, find_standouts
from camcore.report.archive_advice import Evidence, advise
from camcore.report.archive_plots import lift_histogram, month_shares, probability_histogram
from camcore.report.archive_records import SHEET, ArchiveRecords, LargestOf
from camcore.report.html import contents_of, render
from camcore.report.summary import Record

PAGES = "pages"
NO_SITE_TITLE = "No site"
_SPECIES_BY_MONTH = 5
# Seconds between visits that are independent: an animal that stays makes several bursts that agree, which would be
# mistaken for evidence.
_INDEPENDENT = 1800.0
_ROWS, _COLUMNS = 60, 24  # of the matrix in the index, those with the most photos


@dataclass(frozen=True)
class GroupPage:
    """The page of one species or of one site: its photos with the least heat on the target, and its visits."""

    file: str  # of the page, in the folder of the pages
    title: str
    margin: Margin
    cells: tuple[tuple[str, str, Tally], ...]  # the other titles, their pages and visits
    photos: LargestOf


@dataclass(frozen=True)
class MatrixTable:
    """The part of the matrix of species and sites that the index shows."""

    species: tuple[GroupPage, ...]  # the rows
    sites: tuple[GroupPage, ...]  # the columns
    cells: Mapping[tuple[str, str], Tally]
    left_out: str  # what does not fit, in words; "" if everything does


def write_archive_report(path: Path, study: Mapping[str, Any], records: Iterable[Record]) -> None:
    """Write the report of many photos to `path`, and its pages into the folder `pages` beside it.

    `study` is the description of the study. The photos are read once, one at a time. The index holds no pictures, but
    refers to those in the folder of the study. Raise OutputError if a file cannot be written.
    """
    gathered = ArchiveRecords(records)
    photos = gathered.observations()
    matrix = reliance_matrix(group_bursts(photos))
    visits = group_bursts(photos, _INDEPENDENT)
    tested = reliance_matrix(visits)
    sums, standouts, drifts = margins(matrix), find_standouts(tested), measure_drift(visits)
    outcomes = count_outcomes(photos.species, photos.outcome, len(photos.species_titles)).sum(axis=0).tolist()
    compared = int(((tested.tallies[:, 1] >= LEAST_BURSTS) & (tested.site >= 0)).sum())
    compared = compared if len(tested.species) > 1 else 0
    evidence = Evidence(gathered, sums.archive, standouts, compared, drifts, outcomes)
    species, sites = _pages(matrix, sums, gathered)
    shared = contents_of(study, gathered.in_full.entries()) | {
        "target": gathered.target_word,
        "gathered": gathered,
        "standouts": {(entry.species, entry.site): entry for entry in standouts},
        "has_boxes": bool(gathered.findings),
        "page_of_species": {page.title: page.file for page in species},
        "page_of_site": {page.title: page.file for page in sites},
    }
    _write_pages(path.parent / PAGES, (*species, *sites), shared)
    contents = {
        "evidence": evidence,
        "advice": advise(evidence),
        "matrix": _table(matrix, species, sites),
        "outcomes": list(zip(OUTCOMES, outcomes, strict=True)),
        "histograms": [
            ("Lift", lift_histogram(gathered.lifts())),
            ("Probability", probability_histogram(gathered.probabilities())),
        ],
        "month_plots": _month_plots(drifts),
        "prefix": "",
    }
    render(path, "report_archive.html.jinja", shared | contents)


def _month_plots(drifts: Sequence[DriftSeries]) -> list[tuple[str, Markup]]:
    """Return the title and the plot of the archive and of the species with the most visits, where there are any."""
    species = sorted(drifts[1:], key=lambda series: -sum(month.tally.total for month in series.months))
    plots = []
    for series in (*drifts[:1], *species[:_SPECIES_BY_MONTH]):
        decided = [month for month in series.months if month.tally.interval is not None]
        title = series.species or "All species"
        plots.append((title, month_shares(title, decided)))
    return [(title, plot) for title, plot in plots if plot]


def _pages(
    matrix: RelianceMatrix, sums: Margins, gathered: ArchiveRecords
) -> tuple[tuple[GroupPage, ...], tuple[GroupPage, ...]]:
    """Return the pages of the species and of the sites, those with the most photos first."""
    species_margins = sorted(sums.species, key=lambda margin: (-margin.tally.photos, margin.title))
    site_margins = sorted(sums.sites, key=lambda margin: (-margin.tally.photos, margin.title))
    species_files = {margin.title: f"species-{n:04}.html" for n, margin in enumerate(species_margins, 1)}
    site_files = {margin.title: f"site-{n:04}.html" for n, margin in enumerate(site_margins, 1)}
    of_species: dict[str, list[tuple[str, str, Tally]]] = {title: [] for title in species_files}
    of_site: dict[str, list[tuple[str, str, Tally]]] = {title: [] for title in site_files}
    for species, site, tally in matrix:
        of_species[species].append((site or NO_SITE_TITLE, site_files[site], tally))
        of_site[site].append((species, species_files[species], tally))

    def page(margin: Margin, file: str, cells: list[tuple[str, str, Tally]], photos: LargestOf) -> GroupPage:
        cells = sorted(cells, key=lambda cell: (-(cell[2].share or 0), cell[0]))
        return GroupPage(file, margin.title or NO_SITE_TITLE, margin, tuple(cells), photos)

    return (
        tuple(
            page(m, species_files[m.title], of_species[m.title], gathered.by_species[m.title]) for m in species_margins
        ),
        tuple(page(m, site_files[m.title], of_site[m.title], gathered.by_site[m.title]) for m in site_margins),
    )


def _table(matrix: RelianceMatrix, species: tuple[GroupPage, ...], sites: tuple[GroupPage, ...]) -> MatrixTable:
    rows, columns = species[:_ROWS], sites[:_COLUMNS]
    missing = [
        f"{count:,} more {noun}"
        for count, noun in ((len(species) - len(rows), "species"), (len(sites) - len(columns), "sites"))
        if count
    ]
    titles = {page.title for page in (*rows, *columns)}
    cells = {
        (name, site or NO_SITE_TITLE): tally
        for name, site, tally in matrix
        if name in titles and (site or NO_SITE_TITLE) in titles
    }
    return MatrixTable(rows, columns, cells, " and ".join(missing))


def _write_pages(folder: Path, pages: tuple[GroupPage, ...], shared: Mapping[str, Any]) -> None:
    """Write the pages, and delete those of an earlier run."""
    make_folder(folder)
    for page in pages:
        contents = {"page": page, "photos": page.photos.entries(), "most": SHEET, "prefix": "../"}
        render(folder / page.file, "report_sheet.html.jinja", {**shared, **contents})
    for old in set(folder.glob("*.html")) - {folder / page.file for page in pages}:
        old.unlink(missing_ok=True)
