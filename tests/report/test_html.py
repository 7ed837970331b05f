"""Laws of the report: one safe file, verdict first, nothing from outside, nothing that changes by itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from report_samples import EVIL, cube_reconstruction, cube_scan, validation

from r2s.report.curves import Series, line_chart, short, ticks
from r2s.report.html import MAX_BYTES, Ancestor, report_html, write_report

ANCESTORS = [Ancestor(0, "validation", "sha256:" + "a" * 64, (EVIL,), EVIL)]


@pytest.fixture(scope="module")
def page() -> str:
    artifacts = {
        "scan": cube_scan(EVIL), "reconstruction": cube_reconstruction(),
        "validation": validation("fail", EVIL),
    }  # fmt: skip
    return report_html(artifacts, ANCESTORS, title=EVIL, facts={EVIL: EVIL})


class Tags(HTMLParser):
    """Collects tags and checks that they nest."""

    VOID = frozenset({"meta", "img", "br", "line", "circle", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
            self.open.pop()


def test_tags_nest(page):
    parser = Tags()
    parser.feed(page)
    assert parser.open == []


def test_nothing_of_the_data_becomes_markup(page):
    parser = Tags()
    parser.feed(page)
    names = {tag for tag, _ in parser.seen}
    assert "script" not in names
    assert "&lt;script&gt;" in page
    assert not any(key.startswith("on") for _, attrs in parser.seen for key in attrs)


def test_nothing_is_loaded_from_anywhere(page):
    parser = Tags()
    parser.feed(page)
    for _, attrs in parser.seen:
        for key in ("src", "href"):
            assert attrs.get(key, "data:").startswith("data:")
    assert not re.search(r"url\(|@import|https?://", page)
    assert "default-src 'none'" in page


def test_the_verdict_comes_before_everything_else(page):
    assert page.index('class="verdict fail"') < page.index("<h2>")


def test_without_a_validation_it_says_so():
    page = report_html({"scan": cube_scan()}, [], pictures=False)
    assert "not validated" in page
    assert "r2s validate" in page


def test_what_was_not_measured_is_not_zero(page):
    assert "not measured" in page
    assert "1.2 mm" in page


def test_it_is_small_and_the_same_every_time(page, tmp_path):
    artifacts = {
        "scan": cube_scan(EVIL), "reconstruction": cube_reconstruction(),
        "validation": validation("fail", EVIL),
    }  # fmt: skip
    path = write_report(artifacts, ANCESTORS, tmp_path / "r.html", title=EVIL, facts={EVIL: EVIL})
    assert path.read_text(encoding="utf-8") == page
    assert path.stat().st_size < MAX_BYTES


def test_a_line_goes_up_where_its_values_do():
    svg = line_chart(
        [Series("a", [0, 1, 2], [0.0, 0.5, 1.0])], x_label="x", y_label="y", y_range=(0, 1)
    )
    points = re.search(r'points="([^"]*)"', svg)
    assert points
    rows = [tuple(map(float, pair.split(","))) for pair in points[1].split()]
    assert [x for x, _ in rows] == sorted(x for x, _ in rows)
    assert [y for _, y in rows] == sorted((y for _, y in rows), reverse=True)


def test_missing_values_are_left_out_of_lines():
    svg = line_chart(
        [Series("a", [0, 1, 2], [1.0, None, float("nan")])],
        x_label="x",
        y_label="y",  # type: ignore[list-item]
    )
    assert "nan" not in svg


def test_a_chart_of_nothing_says_so():
    assert "nothing was logged" in line_chart([], x_label="x", y_label="y")


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 1.3e6), (-3.2, 7.9), (0.011, 0.012)])
def test_ticks_are_round_and_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 6
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)


def test_axis_numbers_are_short():
    assert [short(v) for v in (0.25, 1500, 2e6)] == ["0.25", "1.5k", "2M"]
