"""Web: how a question reaches a domain over HTTP, and how the answer looks.

The nouns
  module    what a domain gives the console: a router (JSON), pages (HTML), panels, entries of the navigation, words
  shell     the running application, as a domain's pages see it: the core, the door, the languages
  door      the functions by which people come in; the package that knows people gives them
  caller    the person behind a request
  visit     one request of one caller, in one language; it renders, redirects and translates
  panel     a piece of the position page, read anew every few seconds
  word      a name of the program (an order's state, a kind of row) as people read it, in its context

The rules
  - A page or an endpoint is for callers only, unless the console says otherwise for a few of its own.
  - What a browser sends by itself (the cookie) never changes anything: a form carries a token, and the API takes a
    cookie for questions only.
  - A refusal is an answer: its HTTP status is its fault's, its sentence is in the reader's language, as JSON under
    /api and as a page elsewhere. Everything else that fails gets an incident number and tells nothing.
  - Pages are HTML from templates that escape; style and script come from files, so the policy forbids all others.

Domains import this package from routes.py and pages.py, never from anywhere else; it imports no domain.
"""
