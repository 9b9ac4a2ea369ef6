"""The fixtures drover, drover_clock and drover_faults."""

import pytest

from . import Drover


def pytest_configure(config):
    config.addinivalue_line("markers", "drover(*flags): more flags of `drover dev` for the drover of this test")


@pytest.fixture
def drover(request):
    """A Drover of its own, with a virtual clock, from the start of the test to its end."""
    flags = [flag for mark in request.node.iter_markers("drover") for flag in mark.args]
    with Drover(*flags) as server:
        yield server
        if getattr(request.node, "rep_call_failed", False):
            print(server.log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" and report.failed:
        item.rep_call_failed = True
    return report


@pytest.fixture
def drover_clock(drover):
    """The clock of the test's Drover."""
    return drover.clock


@pytest.fixture
def drover_faults(drover):
    """The faults of the test's Drover."""
    return drover.faults
