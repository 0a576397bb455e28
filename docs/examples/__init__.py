"""The example application: real work and bad citizens, in processes that can be killed, on one page.

`app` is the web side (Starlette), `tasks` what runs in the background, `page.html` all that the browser gets.
"""
