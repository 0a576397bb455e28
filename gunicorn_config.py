"""Gunicorn's configuration: the example application, and the supervisor that runs its background tasks.

Copy it, and change `wsgi_app` and `tasks`: both are imported from the directory that Gunicorn starts in.
Every value can be set by environment, and what Gunicorn's command line says (`-w`, `-t`, `--name`) wins.
The supervisor's settings are environment variables as well: SUPERVISOR_WORKERS=4, SUPERVISOR_DIR=/srv/tasks.
"""

import os

from supervisor.gunicorn import attach, web_cpus

env = os.environ.get

wsgi_app = env("WSGI_APP", "docs.examples.app:app")
proc_name = env("PROC_NAME", "example")

# The example has crash buttons, so only this machine may reach it; BIND=0.0.0.0:8000 opens it.
bind = env("BIND", "127.0.0.1:8000")
# Tasks have CPUs of their own; web workers are counted by the CPUs that are left.
workers = int(env("WORKERS", 2 * web_cpus() + 1))
worker_class = env("WORKER_CLASS", "uvicorn_worker.UvicornWorker")

# Seconds. Long work goes to a task, whose limits are its own; this one is for a web worker that hangs.
timeout = int(env("TIMEOUT", "120"))
graceful_timeout = int(env("GRACEFUL_TIMEOUT", "30"))
keepalive = int(env("KEEPALIVE", "5"))

# A web worker is replaced after so many requests, against slow leaks; the jitter spreads them in time.
max_requests = int(env("MAX_REQUESTS", "1000"))
max_requests_jitter = int(env("MAX_REQUESTS_JITTER", "50"))

# "-" is the terminal. The page asks often, so requests are logged only on demand: ACCESS_LOG=-
loglevel = env("LOG_LEVEL", "info")
errorlog = env("ERROR_LOG", "-")
accesslog = env("ACCESS_LOG") or None

# Gunicorn 25.1 and newer answer `gunicornc` on a socket, whose default is one file for all servers of a user: they
# take it from each other. So it is opened only where it is named: CONTROL_SOCKET=/run/example/gunicorn.ctl
control_socket = env("CONTROL_SOCKET") or "gunicorn.ctl"
control_socket_disable = not env("CONTROL_SOCKET")

# The modules with the tasks, to be imported by the task workers; SUPERVISOR_TASKS names others.
attach(globals(), tasks="docs.examples.tasks")
