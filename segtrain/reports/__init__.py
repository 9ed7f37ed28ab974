"""Reports: figures and pages made from a run's folder, which is all they read."""

from segtrain.reports.compare import compare, read_runs
from segtrain.reports.run import write_report
from segtrain.reports.terminal import metrics_table

__all__ = [
    "compare",
    "metrics_table",
    "read_runs",
    "write_report",
]
