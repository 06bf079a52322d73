"""Every page of the built book: offline, without an error, for every reader."""

import functools
import html.parser
import re
import urllib.parse
from pathlib import Path

import pytest
from lens_driver import Lens

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]
PROTOCOLS = ("http", "file")
WIDTHS = (1280, 768, 320)
THEMES = ("light", "dark")


def pages_of_the_book() -> list[str]:
    """The pages of the table of contents, and those that Sphinx adds."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))

    def files(entry):
        yield from (entry[key] for key in ("root", "file") if key in entry)
        for part in ("parts", "chapters", "sections"):
            for child in entry.get(part, ()):
                yield from files(child)

    return [*files(toc), "search", "genindex"]


PAGES = pages_of_the_book()
CHAPTERS = [page for page in PAGES if (ROOT / f"{page}.ipynb").exists()]


@pytest.fixture
def open_site(open_page, places, site):
    def open_site(page, protocol="http", **options):
        path = (site / f"{page}.html").relative_to(places.folder).as_posix()
        return open_page(places(protocol, path), **options)

    return open_site


@pytest.fixture(scope="module")
def axe():
    return pytest.importorskip("axe_playwright_python.sync_playwright").Axe()


def set_theme(page, theme: str) -> None:
    """The system changes its theme; the page follows."""
    page.emulate_media(color_scheme=theme)
    page.locator(f"html[data-theme={theme}]").wait_for()


# Code is coloured by class: one word of each class is as good as all of them.
KEEP_ONE_OF_EACH = """() => {
  const seen = new Set();
  for (const word of document.querySelectorAll("pre span[class]")) {
    const around = ["pre", ".highlight", ".cell_output"].map((c) => word.closest(c));
    const look = (el) => `${el?.className} ${el?.getAttribute("style")}`;
    const key = [word, ...around].map(look).join();
    if (seen.has(key)) word.replaceWith(word.textContent);
    seen.add(key);
  }
}"""
TOO_WIDE = """() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  return [...document.querySelectorAll("body *")]
    .filter((el) => el.getBoundingClientRect().right > clientWidth + 0.5)
    .map((el) => el.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("protocol, widths", [("http", WIDTHS), ("file", WIDTHS[::-1])])
def test_page(open_site, page, protocol, widths):
    """No request elsewhere and no error (see `open_page`), and it fits every screen."""
    opened = open_site(page, protocol, width=widths[0])
    opened.wait_for_load_state("load")
    assert opened.locator("h1:visible").count() == 1
    for width in widths:
        opened.set_viewport_size({"width": width, "height": 1000})
        for theme in THEMES:
            set_theme(opened, theme)
            assert opened.evaluate(TOO_WIDE) == [], f"{width} {theme}"


# The theme gives listings and tables that have to be scrolled a tab stop, a moment
# after a resize.
TAB_STOPS_SET = """() => [
  ...document.querySelectorAll("pre, .pst-scrollable-table-container"),
].every((el) => el.scrollWidth <= el.clientWidth || el.tabIndex === 0)"""


# In what is folded nothing moves, so what has ended there is listed on and on.
AT_REST = "document.getAnimations().every((one) => one.playState === 'finished')"


CONTRAST = "color-contrast"  # takes longer than all other rules of axe


def check_axe(axe, page, **rules) -> None:
    # To preload style sheets axe would ask for them anew, and wrongly where they import
    # each other.
    options = {"resultTypes": ["violations"], "preload": False, **rules}
    found = axe.run(page, options=options)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing(open_site, axe, page):
    opened = open_site(page)
    for width in (360, 1280):
        opened.set_viewport_size({"width": width, "height": 1000})
        opened.wait_for_function(TAB_STOPS_SET)
        check_axe(axe, opened, rules={CONTRAST: {"enabled": False}})


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_every_text_to_stand_out(open_site, axe, page):
    opened = open_site(page)
    opened.evaluate(KEEP_ONE_OF_EACH)
    for theme in THEMES:
        set_theme(opened, theme)
        opened.wait_for_function(AT_REST)
        check_axe(axe, opened, runOnly=[CONTRAST])


def test_axe_finds_nothing_from_disk(open_site, axe):
    check_axe(axe, open_site(CHAPTERS[0], "file"))


# --- What the pages are made of ------------------------------------------------------


class Document(html.parser.HTMLParser):
    """Links, anchors and images of a page."""

    def __init__(self):
        super().__init__()
        self.links, self.anchors, self.loads, self.images = [], set(), [], []
        self.ids = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.anchors.update(attributes.get(key) for key in ("id", "name"))
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if tag == "img":
            self.images.append(attributes)
        if tag == "link" and {"stylesheet", "icon", "preload"} & set(
            attributes.get("rel", "").split()
        ):
            self.loads.append(attributes["href"])
        if "src" in attributes:
            self.loads.append(attributes["src"])


@functools.cache
def parsed(file: Path) -> Document:
    document = Document()
    document.feed(file.read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize("page", PAGES)
def test_every_link_within_the_book_leads_somewhere(site, page):
    file = site / f"{page}.html"
    document = parsed(file)
    assert document.links
    for link in document.links:
        parts = urllib.parse.urlsplit(link)
        if parts.scheme or parts.netloc:
            assert parts.scheme in ("https", "mailto"), link
            continue
        target = (file.parent / urllib.parse.unquote(parts.path)).resolve()
        target = file if not parts.path else target
        assert target.is_file(), link
        name = urllib.parse.unquote(parts.fragment).partition("=")[0]
        if name and target.suffix == ".html":
            assert name in parsed(target).anchors, link


@pytest.mark.parametrize("page", PAGES)
def test_each_id_stands_once_on_a_page(site, page):
    ids = parsed(site / f"{page}.html").ids
    assert [id_ for id_ in ids if ids.count(id_) > 1] == []


@pytest.mark.parametrize("page", PAGES)
def test_everything_that_a_page_loads_is_on_the_site(site, page):
    file = site / f"{page}.html"
    for address in parsed(file).loads:
        parts = urllib.parse.urlsplit(address)
        if parts.scheme == "data":
            continue
        assert not parts.scheme and not parts.netloc, address
        assert (file.parent / urllib.parse.unquote(parts.path)).is_file(), address


@pytest.mark.parametrize("page", PAGES)
def test_every_image_says_what_it_shows(site, page):
    for image in parsed(site / f"{page}.html").images:
        assert "alt" in image, image
        # An empty text marks decoration; a chapter's figures are none.
        assert image["alt"].strip() or "logo" in image.get("class", ""), image
        assert not re.search(r"^_images/|[0-9a-f]{32}", image["alt"]), image
    html = (site / f"{page}.html").read_text(encoding="utf-8")
    plots = re.findall('<div class="plot"><svg[^>]*aria-label="([^"]*)"', html)
    assert len(plots) == html.count('<div class="plot">')
    assert all(len(words) > 40 for words in plots), plots


def test_the_first_page_leads_to_the_book(open_page, places, site):
    path = (site / "index.html").relative_to(places.folder).as_posix()
    for protocol in PROTOCOLS:
        opened = open_page(places(protocol, path))
        opened.wait_for_url("**/book/index.html")
        opened.locator("h1:visible").wait_for()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_search_finds_a_word_of_a_chapter(open_site, protocol):
    opened = open_site("search", protocol)
    opened.locator("main input[name=q], #search-input").first.wait_for(state="attached")
    opened.goto(f"{opened.url}?q=permute")
    opened.locator("#search-results li").first.wait_for()
    assert opened.locator("#search-results li a").count() > 0


def test_no_button_of_the_theme_lies_over_the_figures(open_site):
    for width in (1280, 360):
        opened = open_site("book/index", width=width)
        opened.wait_for_load_state("load")
        for place in (3000, 2500):  # up again, and the theme offers its button
            opened.evaluate(f"scrollTo({{ top: {place}, behavior: 'instant' }})")
            opened.wait_for_function(f"scrollY === {place}")
            opened.wait_for_timeout(300)
        assert not opened.locator("#pst-back-to-top").is_visible()


@pytest.mark.slow
def test_a_player_stays_in_reach_on_a_phone(open_site):
    for page, start in (
        ("book/index", "[data-vip-widget=module_map]"),
        ("book/04-height-branch", "#height-toy"),
    ):
        opened = open_site(page, width=360)
        opened.set_viewport_size({"width": 360, "height": 560})
        figure = opened.locator(start).first
        figure.evaluate("(el) => scrollBy(0, el.getBoundingClientRect().top - 60)")
        player = figure.locator(".vip-player").first
        box, height = player.bounding_box(), opened.viewport_size["height"]
        assert 0 <= box["y"] and box["y"] + box["height"] <= height + 1, page


# --- The lenses of the chapters ------------------------------------------------------

NEXT_STEP = "(el) => el.querySelector('[data-part=say]').textContent"


@pytest.mark.parametrize("page", CHAPTERS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_lens_of_a_chapter_lives(open_site, page, protocol):
    opened = open_site(page, protocol)
    figures = opened.locator("[data-vip-widget=permute_lens]")
    names = figures.evaluate_all("(all) => all.map((figure) => figure.id)")
    assert len(set(names)) == len(names), "two lenses share a name, and so a link"
    for name in names:
        lens = Lens(opened, name)
        assert not lens.is_blank()
        before = lens.said, lens.picture()
        lens.press("back")
        if (lens.said, lens.picture()) == before:  # it stands at one end
            lens.press("next")
        assert (lens.said, lens.picture()) != before
        assert lens.state
        lens.key("ArrowRight")
        assert "cell=" in lens.state or "first one" in lens.said


@pytest.mark.parametrize("page", CHAPTERS)
def test_no_lens_of_a_chapter_shifts_the_page(open_site, page):
    script = """window.shifts = [];
      new PerformanceObserver((list) => {
        for (const { value, sources } of list.getEntries())
          for (const { node } of sources) {
            const element = node?.nodeType === 1 ? node : node?.parentElement;
            const figure = element?.closest("[data-vip-widget]");
            if (figure) shifts.push([value, figure.id, element.outerHTML]);
          }
      }).observe({ type: "layout-shift", buffered: true });"""
    for width in (1280, 360):
        opened = open_site(page, width=width, script=script)
        opened.wait_for_load_state("load")
        # Less than a thousandth of the screen is type that settles, no figure.
        assert [shift for shift in opened.evaluate("shifts") if shift[0] > 1e-3] == []


def test_the_theme_button_turns_the_figures_too(open_site):
    for chapter in CHAPTERS:
        opened = open_site(chapter)
        figures = opened.locator("[data-vip-widget=permute_lens]")
        if figures.count():
            break
    lens = Lens(opened, figures.first.get_attribute("id"))
    lens.key("ArrowRight")  # what is followed is framed in ink
    found = {}
    for _ in range(4):  # auto, light and dark, in whatever order
        theme = opened.evaluate("document.documentElement.dataset.theme")
        lens.figure.locator(f"[data-vip-theme={theme}]").wait_for()
        assert found.setdefault(theme, lens.pictures()) == lens.pictures()
        opened.locator("button.theme-switch-button:visible").first.click()
    assert set(found) == {"light", "dark"}
    assert found["light"] != found["dark"]
