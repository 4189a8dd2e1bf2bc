"""One gateway for each module of tests; the leftovers of a failed test are printed, then removed."""

import pytest

from gateway import Gateway


@pytest.fixture(scope="module")
def gateway():
    running = Gateway().start()
    yield running
    running.stop()
    running.remove()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    running = item.funcargs.get("gateway")
    if report.failed and running is not None:
        report.sections.append(("gateway log (end)", running.logged()[-4000:]))
