"""Console: the shell that shows a book to people and offers it to programs. Nobody imports it but the main program.

It knows no domain. `application(core, door, modules)` composes what the domains give (see `ringfence.web`): their JSON
under /api/v1, their pages, their panels on the position page, their lines in the navigation. Its own are the sign-in,
the position page, the language, the documentation of the API, errors, health, metrics, style and script.

What holds for every answer, whoever made it (`guard`)
  - The host is ours, the body is bounded, the method is one of five; each request has a number and one line in the log.
  - Headers: a content security policy without exceptions, no framing, no sniffing, no referrer to others, no storing of
    what is behind the sign-in.
  - What fails for an unknown reason is recorded as an incident with its number, and answered with nothing but that.
"""
