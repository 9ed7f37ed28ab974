"""Reports: figures and pages made from a run's folder, which is all they read."""

from segtrain.reports.audit_figures import audit_figures, standing_alone
from segtrain.reports.compare import compare, read_runs
from segtrain.reports.review import write_review
from segtrain.reports.run import write_report
from segtrain.reports.terminal import metrics_table

__all__ = [
    "audit_figures",
    "compare",
    "metrics_table",
    "read_runs",
    "standing_alone",
    "write_report",
    "write_review",
]
