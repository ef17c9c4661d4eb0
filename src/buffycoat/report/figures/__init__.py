"""The drawings of a report, one idea per module; each returns a :class:`~buffycoat.report.svg.Drawing`."""
