"""Debian's Chromium, driven by the tests, without a screen."""

import contextlib
import shutil
import tempfile

import pytest
from selenium import webdriver

MISSING = [program for program in ("chromium", "chromedriver") if shutil.which(program) is None]


@contextlib.contextmanager
def chromium(*, width=1200, height=900, dark=False, javascript=True):
    """Start a browser with a window of this size, and end it. Skips the test if there is no browser."""
    if MISSING:
        pytest.skip(f"{' and '.join(MISSING)} not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    with tempfile.TemporaryDirectory(prefix="monopod-browser-", ignore_cleanup_errors=True) as profile:
        for argument in (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
        ):
            options.add_argument(argument)
        if not javascript:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
            yield driver
        finally:
            driver.quit()
