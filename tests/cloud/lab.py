"""JupyterHub and JupyterLab as a student uses them, through the pages alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

LOGIN_TIMEOUT_SECONDS = 60
# Servers start on emulated machines, where a first start takes more than a minute.
SERVER_TIMEOUT_SECONDS = 300
CELL_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 120
DIALOG_TIMEOUT_SECONDS = 20
UNNAMED_NOTEBOOK = "Untitled.ipynb"


@dataclass(frozen=True, kw_only=True)
class Student:
    """A person at the hub's pages; ``pictures`` is where screenshots go."""

    page: Page
    url: str
    name: str
    password: str
    pictures: Path

    def picture(self, name: str) -> None:
        self.page.screenshot(path=self.pictures / f"{name}.png")

    def log_in(self) -> None:
        """Open the public address and log in; the hub then starts the server."""
        self.page.goto(self.url, timeout=LOGIN_TIMEOUT_SECONDS * 1000)
        self.page.get_by_label("Username").fill(self.name)
        self.page.get_by_label("Password").fill(self.password)
        self.picture("login")
        self.page.get_by_role("button", name="Sign in").click()

    def await_lab(self) -> None:
        launcher = self.page.locator(".jp-LauncherCard[data-category='Notebook']").first
        launcher.wait_for(timeout=SERVER_TIMEOUT_SECONDS * 1000)

    def run_cell(self, code: str) -> str:
        """Open a new notebook, run ``code`` in its first cell, save it, and return what the cell printed."""
        self.page.locator(".jp-LauncherCard[data-category='Notebook']").first.click()
        cell = self.page.locator(".jp-Notebook .jp-CodeCell .cm-content").first
        cell.wait_for(timeout=CELL_TIMEOUT_SECONDS * 1000)
        # A cell that is run while its kernel is still starting is passed over.
        self.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=CELL_TIMEOUT_SECONDS * 1000)
        cell.click()
        self.page.keyboard.insert_text(code)
        self.page.keyboard.press("Shift+Enter")
        output = self.page.locator(".jp-Notebook .jp-OutputArea-output").first
        output.wait_for(timeout=CELL_TIMEOUT_SECONDS * 1000)
        return output.inner_text()

    def save_notebook(self, name: str) -> str:
        """Save the open notebook and return its name: ``name`` if JupyterLab asks for one, as it may."""
        self.page.keyboard.press("Control+s")
        dialog = self.page.locator(".jp-Dialog")
        try:
            dialog.wait_for(timeout=DIALOG_TIMEOUT_SECONDS * 1000)
        except PlaywrightTimeout:
            name = UNNAMED_NOTEBOOK
        else:
            dialog.locator("input[type='text'], input:not([type])").first.fill(name)
            dialog.locator(".jp-mod-accept").click()
            dialog.wait_for(state="detached", timeout=CELL_TIMEOUT_SECONDS * 1000)
        expect(self.listed(name)).to_be_visible(timeout=CELL_TIMEOUT_SECONDS * 1000)
        return name

    def listed(self, name: str) -> Locator:
        """The entry of that file in the file browser."""
        return self.page.locator(".jp-DirListing-item", has_text=name)

    def read_file(self, name: str) -> str:
        """Open a text file by the file browser and return what its editor shows."""
        self.listed(name).dblclick()
        content = self.page.locator(".jp-FileEditor .cm-content")
        expect(content).not_to_be_empty(timeout=CELL_TIMEOUT_SECONDS * 1000)
        return content.inner_text()

    def stop_server(self) -> None:
        """Stop the server on the hub's control panel."""
        # The button does nothing until the page's scripts, which load others, have all run.
        home = f"{self.url}/hub/home"
        self.page.goto(home, timeout=LOGIN_TIMEOUT_SECONDS * 1000, wait_until="networkidle")
        self.page.locator("#stop").click()
        expect(self.page.locator("#stop")).to_be_hidden(timeout=STOP_TIMEOUT_SECONDS * 1000)
        self.picture("stopped")

    def start_server(self) -> None:
        """Start the server on the hub's control panel."""
        self.page.locator("#start").click()
