"""A browser, and ways to use it as a person does: by the text on things."""

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from stack import Stack

PATIENCE_SECONDS = 20


class Page:
    """A tab of the browser."""

    def __init__(self, driver):
        self.driver = driver

    def go(self, stack, path=""):
        # Changing only the hash would not reload the page.
        self.driver.get("about:blank")
        self.driver.get(f"{stack.url}/#/{path}")
        return self.sees("main", "")

    def until(self, true):
        ignored = (NoSuchElementException, StaleElementReferenceException)
        wait = WebDriverWait(self.driver, PATIENCE_SECONDS, poll_frequency=0.05, ignored_exceptions=ignored)
        return wait.until(lambda _: true())

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def sees(self, selector, text):
        """Waits for an element that contains this text."""
        found = lambda: next((one for one in self.all(selector) if text in one.text and one.is_displayed()), None)  # noqa: E731
        try:
            return self.until(found)
        except Exception as error:
            shown = self.driver.find_element(By.TAG_NAME, "body").text
            raise AssertionError(f"no {selector} with {text!r} in:\n{shown}") from error

    def press(self, text, within=""):
        """Presses the button or link with this name."""
        called = lambda one: one.text == text or one.get_attribute("aria-label") == text  # noqa: E731
        named = lambda: next((one for one in self.all(f"{within} button, {within} a") if called(one) and one.is_displayed()), None)  # noqa: E731
        self.until(named).click()

    def field(self, label):
        """The field with this label."""
        called = lambda: next((one for one in self.all("label") if one.text.startswith(label)), None)  # noqa: E731
        return self.driver.find_element(By.ID, self.until(called).get_attribute("for"))

    def type(self, label, text):
        field = self.field(label)
        field.clear()
        field.send_keys(text)

    def size(self, width, height=900):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def complaints(self):
        """The browser's log, without responses other than success, which the pages show themselves."""
        return [entry for entry in self.driver.get_log("browser") if "Failed to load resource" not in entry["message"]]


@pytest.fixture(scope="session")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.accept_insecure_certs = True
    # Root has no sandbox, and a container has little shared memory.
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=1280,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser):
    """A page; anything it logs fails the test."""
    page = Page(browser)
    page.complaints()
    yield page
    assert page.complaints() == []
    browser.get("about:blank")


@pytest.fixture
def stack():
    stack = Stack()
    yield stack
    stack.stop()
