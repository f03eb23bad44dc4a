"""The report: one page on a trained run, what it learned, how sure it is, and when it is not."""

from .report import Report, make_report, save_plots, write_page

__all__ = ["Report", "make_report", "save_plots", "write_page"]
