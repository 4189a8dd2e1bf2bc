"""What the tests measured, one line a row of the test matrix, printed after the run."""

import pytest


class Measures:
    def __init__(self):
        self.rows = []

    def __call__(self, row, what, figure):
        self.rows.append((row, what, figure))

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.section("measured")
        for row, what, figure in self.rows:
            terminalreporter.write_line(f"{row:<4} {what}: {figure}")


@pytest.fixture(scope="session")
def report(request):
    """`report("H1", "streams until the close", 131)`: one collector for the whole run, whoever imports the fixture."""
    plugins = request.config.pluginmanager
    if plugins.get_plugin("measures") is None:
        plugins.register(Measures(), "measures")
    return plugins.get_plugin("measures")
