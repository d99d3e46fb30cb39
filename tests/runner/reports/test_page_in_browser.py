"""The page of a run in a real browser: its contents, the keyboard, accessibility, and hostile output."""

import json
from importlib import resources

import pytest
from browser import MISSING, chromium
from recorded import recorded_run
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from monopod.runner.reports.page import page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed"),
]

AXE = resources.files("axe_core_python").joinpath("axe.min.js").read_text()


@pytest.fixture(scope="module")
def address(run, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(page(run))
    return file.as_uri()


@pytest.fixture(scope="module")
def window():
    with chromium() as driver:
        yield driver


@pytest.fixture
def driver(window, address):
    window.get("about:blank")
    window.get(address)
    yield window
    assert [each for each in window.get_log("browser") if each["level"] == "SEVERE"] == []


def visible(driver, selector):
    return [each for each in driver.find_elements(By.CSS_SELECTOR, selector) if each.is_displayed()]


def wait_for(driver, script):
    """Wait in the browser until a condition holds."""
    driver.set_script_timeout(30)
    driver.execute_async_script(
        f"const done = arguments[0]; (function look() {{ if ({script}) done(); else setTimeout(look, 20); }})()"
    )


def test_failures_come_first(driver):
    headings = [each.text for each in driver.find_elements(By.TAG_NAME, "h2")]
    assert headings == ["What failed", "Tasks", "Timeline", "Where the time went", "Params and Results", "Output"]
    assert "exit code 1" in driver.find_element(By.ID, "failures").text
    assert driver.title == "✗ shop-x7k2p: Failed"


def test_hostile_output_does_nothing(driver):
    driver.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert driver.execute_script("return window.hacked") is None
    text = driver.find_element(By.ID, "log-unit-tests-pytest").text
    assert "<script>window.hacked = 1</script>" in text
    assert driver.execute_script("return document.querySelectorAll('script').length") == 1
    assert driver.execute_script("return document.querySelectorAll('img, iframe, object, embed, b').length") == 0


def test_policy_blocks_other_scripts(driver, run, tmp_path):
    """Even if a text were not escaped: the same page with an inserted script and handler."""
    text = page(run).replace("<footer>", "<script>window.hacked = 1</script><p onclick='1'>x</p><footer>", 1)
    (tmp_path / "page.html").write_text(text)
    driver.get((tmp_path / "page.html").as_uri())
    assert driver.execute_script("return document.querySelectorAll('script').length") == 2
    assert driver.execute_script("return window.hacked") is None
    refused = [each["message"] for each in driver.get_log("browser")]
    assert any("Content Security Policy" in each for each in refused)


def test_link_to_a_step_opens_its_output(driver):
    driver.execute_script("document.getElementById('task-unit-tests').open = true")
    assert visible(driver, "#log-unit-tests-database .chunk") == []
    driver.find_element(By.CSS_SELECTOR, "#timeline a[href='#log-unit-tests-database']").click()
    wait_for(driver, "document.getElementById('log-unit-tests-database').open")
    assert len(visible(driver, "#log-unit-tests-database .chunk")) == 1


def test_output_is_grouped_by_task_and_filtered(driver):
    headings = [each.text for each in driver.find_elements(By.CSS_SELECTOR, ".group > h3")]
    assert [text.lstrip("✓✗") for text in headings][:2] == ["clone", "unit-tests"]
    assert "Sidecar" in driver.find_element(By.CSS_SELECTOR, "#log-unit-tests-database summary").text
    driver.find_element(By.ID, "filter").send_keys("TESTS : p")
    assert [each.get_attribute("id") for each in visible(driver, ".log")] == ["log-unit-tests-pytest"]
    assert len(visible(driver, ".group")) == 1
    driver.execute_script("location.hash = '#log-flaky-try'")  # a link to hidden output shows it
    wait_for(driver, "document.getElementById('log-flaky-try').checkVisibility()")


def test_only_lines_found(driver):
    driver.find_element(By.ID, "switch-only").click()
    driver.find_element(By.ID, "query").send_keys("package 99", Keys.ENTER)
    assert [each.text for each in visible(driver, ".logs .chunk > span")][:2] == ["package 99", "package 990"]
    assert [each.get_attribute("id") for each in visible(driver, ".log")] == ["log-unit-tests-install"]
    numbers = "return [...document.querySelectorAll('.hit')].map((line) => line.dataset.n)"
    assert driver.execute_script(numbers)[:2] == ["100", "991"]


DISTANCE = "const lines = document.querySelector('.log.failed .lines'), box = lines.getBoundingClientRect();"
DISTANCE += (
    "return lines.querySelector('.chunk:last-child > span:last-child').getBoundingClientRect().bottom - box.bottom"
)


def write_failed(tmp_path, sample, lines):
    """Write the page of a run whose Step wrote many lines and failed."""
    feed = [
        sample.run_started(),
        sample.task_started("a", 0),
        sample.step_started("a", "b", 0),
        ("a-b", b"".join(b"line %d of a Step\n" % number for number in range(lines))),
        sample.step_finished("a", "b", 1, code=3),
        sample.task_finished("a", 1, "Failed"),
        sample.run_finished(1, "Failed"),
    ]
    (tmp_path / "page.html").write_text(page(recorded_run(tmp_path, sample.plan(sample.task("a", "b")), feed)))
    return (tmp_path / "page.html").as_uri()


@pytest.mark.parametrize("javascript", [True, False])
def test_failed_step_opens_at_its_end(tmp_path, sample, javascript):
    address = write_failed(tmp_path, sample, 10_000)
    with chromium(javascript=javascript) as driver:
        driver.get(address)
        assert driver.find_element(By.CSS_SELECTOR, ".log.failed").get_attribute("open")
        assert "exit code 3" in driver.find_element(By.CSS_SELECTOR, ".log.failed summary").text
        assert -40 < driver.execute_script(DISTANCE) <= 1
        driver.get(f"{address}#log-a-b.12")  # a link to a line still leads to the line
        if javascript:
            (line,) = driver.find_elements(By.CSS_SELECTOR, ".target")
            assert line.text == "line 11 of a Step"


def test_dag_zooms_and_moves(tmp_path, sample):
    names = [f"a-task-with-a-long-name-{number}" for number in range(12)]
    tasks = [
        sample.task(name, "s", after=(before,) if before else ())
        for name, before in zip(names, ["", *names], strict=False)
    ]
    feed = [sample.run_started(), sample.run_finished(1)]
    (tmp_path / "page.html").write_text(page(recorded_run(tmp_path, sample.plan(*tasks), feed)))
    with chromium() as driver:
        driver.get((tmp_path / "page.html").as_uri())
        frame = driver.find_element(By.CSS_SELECTOR, "#dag .scrolled")
        percent = driver.find_element(By.ID, "percent")
        size = "return Number(document.querySelector('.dag').getAttribute('width'))"
        width = driver.execute_script(size)
        driver.find_element(By.CSS_SELECTOR, "[data-zoom=in]").click()
        assert (percent.text, driver.execute_script(size)) == ("125 %", width * 1.25)
        frame.send_keys("-", "-")
        assert percent.text == "80 %"
        frame.send_keys("0")
        assert driver.execute_script("const f = arguments[0]; return f.scrollWidth - f.clientWidth", frame) <= 1
        frame.send_keys("1")
        assert percent.text == "100 %"
        origin = driver.execute_script(
            "arguments[0].scrollIntoView({block: 'center'}); arguments[0].scrollLeft = 0", frame
        )
        assert origin is None
        before = driver.current_url
        ActionChains(driver).move_to_element(frame).click_and_hold().move_by_offset(-200, 0).release().perform()
        assert driver.execute_script("return arguments[0].scrollLeft", frame) == 200
        assert driver.current_url == before
        frame.send_keys(Keys.ARROW_LEFT)
        wait_for(driver, "document.querySelector('#dag .scrolled').scrollLeft < 200")
        wheel = "const box = arguments[0].getBoundingClientRect(); arguments[0].dispatchEvent(new WheelEvent('wheel',"
        wheel += "{deltaY: -100, ctrlKey: true, cancelable: true, clientX: box.left + 50, clientY: box.top + 20}))"
        driver.execute_script(wheel, frame)
        assert percent.text == "135 %"


def test_address_scrolls_to_a_line(driver, address):
    driver.get(f"{address}#log-unit-tests-install.777")
    driver.refresh()
    (line,) = driver.find_elements(By.CSS_SELECTOR, ".target")
    assert line.text == "package 776"
    top, height = driver.execute_script("return [arguments[0].getBoundingClientRect().top, window.innerHeight]", line)
    assert 0 < top < height


def test_lines_have_their_numbers(driver, address):
    driver.get(f"{address}#log-unit-tests-install.777")
    driver.refresh()
    snapshot = driver.execute_cdp_cmd("DOMSnapshot.captureSnapshot", {"computedStyles": []})
    (document,) = snapshot["documents"]
    laid_out = [snapshot["strings"][each].strip() for each in document["layout"]["text"] if each >= 0]
    place = laid_out.index("package 776")
    assert laid_out[place - 1 : place + 2] == ["777", "package 776", "778"]


def test_search(driver):
    query = driver.find_element(By.ID, "query")
    found = driver.find_element(By.ID, "found")
    query.send_keys("PACKAGE 99")
    query.send_keys(Keys.ENTER)
    assert found.text == "1 of 11 lines"
    assert driver.find_element(By.CSS_SELECTOR, ".now").text == "package 99"
    assert driver.current_url.endswith("#log-unit-tests-install.100")
    query.send_keys(Keys.ENTER)
    assert (found.text, driver.find_element(By.CSS_SELECTOR, ".now").text) == ("2 of 11 lines", "package 990")
    query.send_keys(Keys.SHIFT, Keys.ENTER)
    driver.find_element(By.ID, "previous").click()
    assert found.text == "11 of 11 lines"
    assert "11 found" in driver.find_element(By.CSS_SELECTOR, "#log-unit-tests-install .count").text
    query.send_keys(Keys.ESCAPE)
    assert found.text == ""
    assert driver.find_elements(By.CSS_SELECTOR, ".hit") == []
    query.send_keys("<script>", Keys.ENTER)
    assert found.text == "1 of 2 lines"
    query.send_keys(Keys.ESCAPE, "nowhere", Keys.ENTER)
    assert found.text == "no matches"


def test_keyboard_only(driver):
    """The first key leads to the content, each Task opens with the keyboard, and the focus is never trapped."""
    driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert driver.switch_to.active_element.text == "Skip to the content"
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert driver.execute_script("return document.activeElement.id") == "content"
    reached = set()
    for _ in range(200):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        active = driver.switch_to.active_element
        identity = driver.execute_script(
            "const e = arguments[0]; return e.id || e.parentElement.id || e.tagName", active
        )
        if identity == "task-scan-0":
            active.send_keys(Keys.ENTER)
            assert driver.execute_script("return document.getElementById('task-scan-0').open")
        reached.add(identity)
        if driver.execute_script("return document.activeElement === document.body"):
            break
    else:
        pytest.fail("the focus never leaves the page")
    assert {"task-clone", "task-scan-0", "task-report", "query", "next", "switch-wrap", "log-report-print"} <= reached


def test_switches_work_without_scripts(address):
    with chromium(javascript=False) as driver:
        driver.get(address)
        assert visible(driver, "#search") == []
        (chunk,) = visible(driver, "#log-unit-tests-pytest .chunk")
        assert "<script>window.hacked = 1</script>" in chunk.text
        script = "return getComputedStyle(document.querySelector('#log-unit-tests-pytest .chunk > span')).whiteSpace"
        before = driver.execute_script(script)
        driver.find_element(By.ID, "switch-wrap").click()
        assert (before, driver.execute_script(script)) == ("pre", "pre-wrap")


def sticks_out(driver):
    """Return by how many pixels the page is wider than the window."""
    return driver.execute_script("const page = document.documentElement; return page.scrollWidth - page.clientWidth")


@pytest.mark.parametrize("seconds", [1.0, 1.02, 1.53, 6.01, 119])
def test_time_axis_fits_a_phone(tmp_path, sample, seconds):
    plan = sample.plan(sample.task("a", "b"))
    feed = [
        sample.run_started(),
        sample.task_started("a", 0),
        sample.task_finished("a", seconds),
        sample.run_finished(seconds),
    ]
    file = tmp_path / "page.html"
    file.write_text(page(recorded_run(tmp_path, plan, feed)))
    with chromium(width=375, height=800) as driver:
        driver.get(file.as_uri())
        assert sticks_out(driver) == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1200, 375], ids=["wide", "phone"])
def test_accessibility(address, dark, width):
    """axe-core finds no violations of WCAG 2.1 AA and its best practices with everything opened; nothing overflows."""
    with chromium(width=width, height=800, dark=dark) as driver:
        driver.get(address)
        driver.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        background = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
        driver.execute_script(AXE)
        driver.set_script_timeout(60)
        found = driver.execute_async_script("const done = arguments[0]; axe.run().then(done)")
        assert (
            json.dumps(
                [(each["id"], [node["html"][:150] for node in each["nodes"]][:3]) for each in found["violations"]]
            )
            == "[]"
        )
        assert sticks_out(driver) == 0


def test_100_000_lines(tmp_path, sample):
    """They can be searched, and only visible lines are laid out."""
    plan = sample.plan(sample.task("a", "b"))
    feed = [
        sample.run_started(),
        sample.task_started("a", 0),
        sample.step_started("a", "b", 0),
        ("a-b", b"".join(b"line %d of a Step that writes very much indeed\n" % number for number in range(100_000))),
        sample.step_finished("a", "b", 1),
        sample.task_finished("a", 1),
        sample.run_finished(1),
    ]
    file = tmp_path / "page.html"
    file.write_text(page(recorded_run(tmp_path, plan, feed)))
    assert file.stat().st_size < 16 * 1024 * 1024
    with chromium() as driver:
        driver.get(file.as_uri())
        query = driver.find_element(By.ID, "query")
        query.send_keys("line 99999 ", Keys.ENTER)
        assert driver.find_element(By.ID, "found").text == "1 of 1 lines"
        assert driver.find_element(By.CSS_SELECTOR, ".now").is_displayed()
        rendered = "(each) => each.firstChild.checkVisibility({contentVisibilityAuto: true})"
        chunks = driver.execute_script(f"return [...document.querySelectorAll('.chunk')].map({rendered})")
        assert 0 < chunks.count(True) < 10 < 240 < len(chunks)
