"""What the supervisor does, for Prometheus.

:mod:`~supervisor.metrics.sources` asks master, broker and kernel; :mod:`~supervisor.metrics.collect` makes metrics of
what they say, and does nothing else; :mod:`~supervisor.metrics.catalogue` names every metric. The ways out are
:mod:`~supervisor.metrics.text`, :mod:`~supervisor.metrics.file` and :mod:`~supervisor.metrics.port`.
"""
