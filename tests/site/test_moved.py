"""Old addresses lead to the pages that they have become, fragments and all."""

import pytest
from figure_driver import Figure
from lens_driver import Lens
from lens_pages import figure, height_lens, page
from test_pages import parsed

moved = pytest.importorskip("vip_site.moved")

# What could be linked to when the chapters changed places: sections, then figures.
# Add to this table; never remove an entry.
LINKED = {
    "book/03-listing-as-found": (
        "try-it the-article-s-experiment the-third-fault watch-it-run "
        "whose-weights-are-whose what-the-article-says-about-it your-turn "
        "the-last-word in-three-lines",
        {"listing": "v1;step=4;numbers=birth"},
    ),
    "book/04-channel-branch": (
        "what-linear-does the-same-thing-under-another-name there-and-back "
        "what-it-costs what-it-can-t-see what-a-bag-can-tell your-turn the-last-word "
        "in-three-lines",
        {"channel-toy": "v1;step=0;cell=3", "order-puzzles": "v1;kind=order;number=4"},
    ),
    "book/05-height-branch": (
        "the-lines a-picture-that-you-can-count three-steps-in-three-steps-back "
        "what-moves-in-memory backward on-a-real-digit the-branch-in-one-line "
        "the-moves-in-one-line the-branch-as-one-matrix "
        "why-the-picture-must-be-n-tokens-high "
        "forget-the-permute-and-nothing-complains your-turn "
        "your-own-sizes-your-own-code the-last-word in-three-lines",
        {
            "height-toy": "v1;step=5;cell=77",
            "height-memory": "v1;step=6",
            "height-backward": "v1;step=1;dir=back",
            "height-digit": "v1;step=3;fill=picture",
            "height-einops": "v1;kind=einops;number=7",
            "height-forgotten": "v1;step=4",
            "height-own": "v1;step=1;numbers=order",
        },
    ),
    "book/06-width-branch": (
        "guess-first lay-the-picture-on-its-side three-axes-in-a-circle your-turn "
        "the-last-word in-three-lines",
        {
            "width-toy": "v1;step=6",
            "width-article": "v1;step=4;axis=1",
            "width-puzzles": "v1;kind=order;number=2",
        },
    ),
    "book/07-re-weighting": (
        "pool-one-number-a-channel squeeze-then-stretch deal-which-numbers-are-whose "
        "softmax-over-which-axis all-that-it-sees a-cloud-of-channels "
        "what-untrained-weights-look-like a-weight-is-not-an-importance "
        "two-orders-one-shape your-turn the-last-word in-three-lines",
        {
            "weights": "v1;step=5",
            "deal": "v1;step=1",
            "deal-wrong": "v1;step=2",
            "cloud": "v1;channel=3",
        },
    ),
    "book/08-fuse-and-project": (
        "fuse project what-one-output-sees where-the-blame-goes where-the-copies-are "
        "what-it-costs the-same-weights-another-picture your-turn the-last-word "
        "in-three-lines",
        {
            "whole-module": "v1;step=36",
            "two-ways": "v1;map=1;at=3",
            "whole-back": "v1;step=12;dir=back",
        },
    ),
}
SECTION, STATE = "#elsewhere", "#toy=v1;step=5;cell=77"


@pytest.fixture
def small_site(places):
    """A folder with a page at each new address, all of them alike, and the old ones."""
    folder = places.folder / "moved"
    (folder / "book").mkdir(parents=True, exist_ok=True)
    new = page(figure(height_lens())).replace("vip_widgets", "../../lens/vip_widgets")
    for name in moved.MOVED.values():
        (folder / f"{name}.html").write_text(new, encoding="utf-8")
    moved.write_moved(folder, dict.fromkeys(moved.MOVED.values(), "A <page>"))
    return folder


@pytest.mark.parametrize("protocol", ("http", "file"))
@pytest.mark.parametrize("rest", ("", "?highlight=row", SECTION, "?q=1" + STATE))
def test_an_old_address_takes_its_search_and_fragment_along(
    open_page, places, small_site, protocol, rest
):
    old = next(iter(moved.MOVED))
    opened = open_page(places(protocol, f"moved/{old}.html{rest}"))
    wanted = places(protocol, f"moved/{moved.MOVED[old]}.html{rest}")
    opened.wait_for_url(wanted)
    if STATE in rest:
        lens = Lens(opened, "toy")
        assert lens.position == 5 and "h2 w1 c5" in lens.said
    opened.go_back()  # not to the old address, which would only lead here again
    assert opened.url == "about:blank"


@pytest.mark.slow
def test_without_a_script_there_is_a_link(open_page, places, small_site):
    for old, new in moved.MOVED.items():
        opened = open_page(
            places("file", f"moved/{old}.html"), java_script_enabled=False
        )
        opened.get_by_role("link", name="A <page>", exact=True).click()
        opened.wait_for_url(places("file", f"moved/{new}.html"))


@pytest.mark.parametrize("wrong", ["old is there", "new is not"])
def test_a_table_that_does_not_fit_the_site_stops_the_build(tmp_path, wrong):
    titles = dict.fromkeys(moved.MOVED.values(), "A page")
    old, new = next(iter(moved.MOVED.items()))
    if wrong == "new is not":
        del titles[new]
    else:
        titles[old] = "It is still here"
    with pytest.raises(ValueError, match=f"{old} is said to have moved to {new}"):
        moved.write_moved(tmp_path, titles)


def test_what_was_linked_is_still_there(site):
    assert set(LINKED) == set(moved.MOVED)
    search = (site / "searchindex.js").read_text(encoding="utf-8")
    for old, (sections, figures) in LINKED.items():
        (link,) = parsed(site / f"{old}.html").links
        new = (site / f"{old}.html").parent / link
        assert new == site / f"{moved.MOVED[old]}.html"
        lost = {*sections.split(), *figures} - parsed(new).anchors
        assert not lost, f"{old} had {', '.join(sorted(lost))}"
        assert f'"{old}"' not in search


@pytest.mark.parametrize("old", LINKED)
def test_the_state_of_every_figure_arrives(open_page, places, site, old):
    def texts(name, fragment):
        path = (site / f"{name}.html").relative_to(places.folder).as_posix()
        opened = open_page(places("file", path) + fragment)
        opened.wait_for_url(f"**/{new}.html*")
        return {name: Figure(opened, name).box.inner_text() for name in figures}

    new, (_, figures) = moved.MOVED[old], LINKED[old]
    link = "#" + "&".join(f"{name}={state}" for name, state in figures.items())
    asked, unasked = texts(old, link), texts(new, "")
    assert asked == texts(new, link)
    assert [name for name in figures if asked[name] == unasked[name]] == []
