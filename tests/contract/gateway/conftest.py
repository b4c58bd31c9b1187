"""Runs the transport on both event loops."""

from tests.builders.loops import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
