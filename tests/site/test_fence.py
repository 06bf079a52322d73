"""The tests' own instruments work: what is forbidden is stopped, and noted."""

import pytest
from lens_pages import page

TROUBLE = """<img alt="" src="https://example.org/a.png"><script>
addEventListener("unhandledrejection", () => (document.body.dataset.done = "true"));
fetch("http://127.0.0.1:9/b").catch(() => nowhere());
</script>"""


@pytest.mark.parametrize("protocol", ["http", "file"])
def test_everything_forbidden_is_noted(open_page, fence, places, protocol):
    name = f"lens/trouble-{protocol}.html"
    (places.folder / name).write_text(page(TROUBLE), encoding="utf-8")
    opened = open_page(places(protocol, name))
    opened.wait_for_load_state("load")
    opened.locator("[data-done]").wait_for()
    assert sorted(fence.outside) == [
        "http://127.0.0.1:9/b",
        "https://example.org/a.png",
    ]
    assert "nowhere is not defined" in fence.errors[0]
    assert len(fence.console) >= 2
    for noted in (fence.outside, fence.errors, fence.console):
        with pytest.raises(AssertionError):
            fence.check()
        noted.clear()
